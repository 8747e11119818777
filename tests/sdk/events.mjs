// A shop's server with the official Segment SDK for Node: an anonymous visitor browses, then signs up.
import { createRequire } from "node:module";
import { join } from "node:path";

const [host, folder, visitor, email] = process.argv.slice(2);
const { Analytics } = createRequire(join(folder, "package.json"))("@segment/analytics-node");
const analytics = new Analytics({ writeKey: "dev", host, flushAt: 3 });
const failures = [];
analytics.on("error", (error) => failures.push(error));

analytics.page({ anonymousId: visitor, name: "首页" });
for (const product of ["降噪耳机", "机械键盘"]) {
  analytics.track({ anonymousId: visitor, event: "Product Viewed", properties: { product, category: "数码" } });
}
analytics.identify({ anonymousId: visitor, traits: { email, name: "李强", city: "北京" } });
analytics.track({ anonymousId: visitor, event: "Order Completed", properties: { total: 1299, currency: "CNY" } });
await analytics.closeAndFlush();
if (failures.length > 0) {
  console.error(failures);
  process.exit(1);
}
