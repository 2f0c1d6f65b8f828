"""Networks on the periodic circle: valid convolutions over a padded slab, one file each."""
