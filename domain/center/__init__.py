"""Centers and agencies: the nodes that own work, and the organisations behind them."""
