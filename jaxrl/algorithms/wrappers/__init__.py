"""Published changes to other cards: `WRAPPER+CARD`."""
