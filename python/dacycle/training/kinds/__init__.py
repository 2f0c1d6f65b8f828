"""What a network can be trained for, one class a file; `dacycle.training.list` names them."""
