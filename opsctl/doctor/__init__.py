"""What stands between opsctl and a good look: is it reached, is it new enough, what are we allowed to see."""
