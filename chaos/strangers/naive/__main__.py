"""`python -m chaos.strangers.naive purchases | warehouse | repaired-purchases | repaired-warehouse`."""

import os
import sys

import uvicorn

from chaos.strangers.naive.purchases import Purchases
from chaos.strangers.naive.repaired import RepairedPurchases, RepairedWarehouse
from chaos.strangers.naive.warehouse import Warehouse

SERVICES = {
    "purchases": Purchases,
    "warehouse": Warehouse,
    "repaired-purchases": RepairedPurchases,
    "repaired-warehouse": RepairedWarehouse,
}

if __name__ == "__main__":
    application = SERVICES[sys.argv[1]]().application()
    uvicorn.run(application, port=int(os.environ["PORT"]), log_level="warning")
