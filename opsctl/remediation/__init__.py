"""From a diagnosis to a plan, from a plan to acts that are guarded, recorded, verified and undone."""
