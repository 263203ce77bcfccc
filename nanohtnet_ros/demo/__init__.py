"""Videos through the nodes, recorded, scored and drawn."""
