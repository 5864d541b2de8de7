"""What nodes cost: the on-demand Linux price of an hour, as AWS's price list says.

By "GetProducts" in the AWS Price List API Reference. The list is asked in us-east-1, whatever region it is about; it
tells neither spot prices nor what an account has agreed with AWS.
"""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from blocks.errors import CredentialsInvalid, ProviderError
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.session import AwsSession

LIST_REGION = "us-east-1"

_AT_ONCE = 4
_OF_A_NODE = {
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
    "operatingSystem": "Linux",
    "preInstalledSw": "NA",
    "tenancy": "Shared",
}


def hourly_usd(session: AwsSession, region: str, types: Iterable[str]) -> dict[str, float]:
    """Return the price in USD of an hour of a node, by type; a type whose price is not known is not there.

    Nothing fails for a price: where the list may not be asked or does not answer, none is known.

    Raises:
        CredentialsInvalid: AWS does not know us.
    """
    names = sorted(set(types))

    def ask(name: str) -> float | None:
        try:
            return _price(session, region, name)
        except CredentialsInvalid:
            raise
        except ProviderError:
            return None

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        found = zip(names, threads.map(ask, names), strict=True)
        return {name: usd for name, usd in found if usd is not None}


def _price(session: AwsSession, region: str, name: str) -> float | None:
    wanted = {**_OF_A_NODE, "instanceType": name, "regionCode": region}
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
    with translated(f"the price of {name}"):
        told = session.client("pricing", LIST_REGION).get_products(ServiceCode="AmazonEC2", Filters=filters)
    found = [usd for text in told["PriceList"] for usd in _usd(json.loads(text))]
    return max(found, default=None)


def _usd(product: dict[str, Any]) -> list[float]:
    terms = product.get("terms", {}).get("OnDemand", {}).values()
    prices = [price for term in terms for price in term["priceDimensions"].values()]
    return [float(price["pricePerUnit"]["USD"]) for price in prices if "USD" in price["pricePerUnit"]]
