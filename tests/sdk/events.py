# A shop's site with the official Segment SDK for Python: an anonymous visitor browses, then signs up.
import sys

import segment.analytics as analytics

analytics.write_key = "dev"
analytics.host = sys.argv[1]
analytics.gzip = sys.argv[2] == "gzip"
failures = []
analytics.on_error = lambda error, items: failures.append(error)

visitor, email = sys.argv[3], sys.argv[4]
analytics.page(anonymous_id=visitor, name="首页", properties={"url": "https://shop.example.com/"})
for product in ["三亚五日自由行", "大理古城民宿"]:
    analytics.track(anonymous_id=visitor, event="Product Viewed", properties={"product": product, "category": "旅行"})
analytics.identify(anonymous_id=visitor, traits={"email": email, "name": "王芳", "city": "上海"})
analytics.track(anonymous_id=visitor, event="Order Completed", properties={"total": 2999.0, "currency": "CNY"})
analytics.shutdown()
if failures:
    sys.exit(f"the SDK reports {failures}")
