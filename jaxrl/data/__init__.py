"""Datasets: from arrays and Minari files to device-resident `Dataset`s, and what is done to them."""
