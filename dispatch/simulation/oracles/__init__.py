"""What must hold of each flow, told from the facts alone: tables and sums of their own, and no decider's word."""
