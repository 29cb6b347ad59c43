"""What `xaijax cascade` is made of: rounds of training, the frozen form, evaluation, sweep."""
