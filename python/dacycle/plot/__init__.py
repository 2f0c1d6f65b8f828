"""Pictures of a run, one class each in a file; `list` names them and `draw` draws them."""
