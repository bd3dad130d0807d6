"""Systems that learn a generator of data first, and a policy from what it makes."""
