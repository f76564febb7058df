"""Hardware: accelerators, clusters, and the site with its power, water and grid."""
