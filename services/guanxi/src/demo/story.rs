//! What the customers do, and when: the same seed tells the same story.

use std::time::Duration;

use kernel::Time;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng, RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::cast::{Habit, Person, cast};

/// Something a customer does.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// On the shop's site: one call of the tracking API.
    Web(Value),
    /// Follows the official account, by the QR code of a shop.
    Follow { openid: String, scene: &'static str },
    /// Writes to the official account.
    Say { openid: String, text: &'static str },
    /// In the app: an event with identifiers of both worlds.
    App { name: &'static str, identifiers: Vec<(String, String)>, properties: Value },
}

/// When it is done.
pub(super) type Story = Vec<(Time, Deed)>;

const DAY: Duration = Duration::from_secs(86_400);
const SCENES: [&str; 4] = ["南京路店", "三里屯店", "天河城店", "线上海报"];
const CATEGORIES: [(&str, &[(&str, f64)]); 4] = [
    ("旅行", &[("三亚五日自由行", 2_999.0), ("大理古城民宿", 688.0), ("旅行箱", 459.0)]),
    ("数码", &[("降噪耳机", 1_299.0), ("机械键盘", 399.0), ("平板电脑", 3_299.0)]),
    ("美妆", &[("精华液", 560.0), ("口红", 230.0), ("面膜礼盒", 199.0)]),
    ("家居", &[("乳胶枕", 269.0), ("咖啡机", 1_580.0), ("香薰", 129.0)]),
];
const SAYINGS: [&str; 4] = ["你好,有优惠吗?", "什么时候发货", "谢谢", "可以退换吗"];

/// Writes the story of `people` customers between two moments, in order of time.
pub(super) fn write(people: u32, seed: u64, begin: Time, end: Time) -> Story {
    let mut random = StdRng::seed_from_u64(seed);
    let mut story = Story::new();
    for person in cast(people, &mut random) {
        Author { person, random: &mut random, story: &mut story, begin, end }.write();
    }
    story.retain(|(time, _)| *time < end);
    story.sort_by_key(|(time, _)| *time);
    story
}

struct Author<'a> {
    person: Person,
    random: &'a mut StdRng,
    story: &'a mut Story,
    begin: Time,
    end: Time,
}

impl Author<'_> {
    fn write(&mut self) {
        let days = u32::try_from(self.end.since(self.begin).as_secs() / DAY.as_secs()).unwrap_or(1);
        let lost = self.person.habit == Habit::Lost;
        let first = self.random.random_range(0..if lost { 5 } else { days.saturating_sub(3).max(1) });
        if let Some(openid) = self.person.openid.clone() {
            self.follow(openid, first);
        }
        if self.person.web || self.person.openid.is_none() {
            self.arrive(first);
        }
        match self.person.habit {
            Habit::Dreamer => (0..4).for_each(|day| self.browse(first + 1 + day, "旅行")),
            Habit::Buyer => self.shop(first, days),
            Habit::Browser => self.stroll(first, days),
            Habit::Lost => self.stroll(first, first + 2),
        }
    }

    fn follow(&mut self, openid: String, day: u32) {
        let at = self.moment(day);
        let scene = SCENES.choose(self.random).copied().unwrap_or_default();
        self.story.push((at, Deed::Follow { openid: openid.clone(), scene }));
        if self.random.random_bool(0.4) {
            let text = SAYINGS.choose(self.random).copied().unwrap_or_default();
            let later = at.plus(Duration::from_secs(self.random.random_range(600..14_400)));
            self.story.push((later, Deed::Say { openid, text }));
        }
    }

    /// The first visit: anonymous, and for most a sign-up soon after.
    fn arrive(&mut self, day: u32) {
        let at = self.moment(day);
        let page = json!({"type": "page", "anonymousId": self.person.anonymous_id(), "name": "首页",
            "context": {"campaign": {"source": "小红书", "medium": "social", "name": "双十一预热"}}});
        self.web(at, page);
        let Some(email) = self.person.email.clone() else { return };
        let traits = json!({"name": self.person.name, "city": self.person.city, "email": email,
            "birthday": self.person.birthday.to_string()});
        let identify = json!({"type": "identify", "anonymousId": self.person.anonymous_id(),
            "userId": self.person.user_id(), "traits": traits});
        self.web(at.plus(Duration::from_secs(420)), identify);
        if let (true, Some(openid)) = (self.person.binds, self.person.openid.clone()) {
            let identifiers = vec![
                ("user_id".to_owned(), self.person.user_id()),
                (format!("wechat.openid:{}", super::play::APP_ID), openid),
            ];
            let bound =
                Deed::App { name: "account_bound", identifiers, properties: json!({"via": "小程序"}) };
            self.story.push((at.plus(Duration::from_secs(7_200)), bound));
        }
    }

    fn browse(&mut self, day: u32, category: &str) {
        let at = self.moment(day);
        let views = self.random.random_range(1..4);
        for step in 0..views {
            let product = self.product(category);
            self.track(at.plus(Duration::from_secs(90 * step)), "Product Viewed", product);
        }
    }

    fn shop(&mut self, first: u32, days: u32) {
        let mut day = first + 1;
        while day < days {
            let (category, _) = CATEGORIES.choose(self.random).copied().unwrap_or(CATEGORIES[0]);
            self.browse(day, category);
            let (at, product) = (self.moment(day), self.product(category));
            if self.random.random_bool(0.7) {
                self.track(at.plus(Duration::from_secs(300)), "Cart Added", product.clone());
                if self.random.random_bool(0.6) {
                    let order = json!({"order_id": format!("SO{}-{day}", self.person.number),
                        "total": product["price"], "category": category, "currency": "CNY"});
                    self.track(at.plus(Duration::from_secs(900)), "Order Completed", order);
                }
            }
            day += self.random.random_range(3..12);
        }
    }

    fn stroll(&mut self, first: u32, until: u32) {
        let mut day = first + 1;
        while day < until {
            let (category, _) = CATEGORIES.choose(self.random).copied().unwrap_or(CATEGORIES[0]);
            self.browse(day, category);
            day += self.random.random_range(2..9);
        }
    }

    fn product(&mut self, category: &str) -> Value {
        let shelf =
            CATEGORIES.iter().find(|(name, _)| *name == category).map_or(&[][..], |(_, shelf)| *shelf);
        let (product, price) = shelf.choose(self.random).copied().unwrap_or(("商品", 99.0));
        json!({"product": product, "category": category, "price": price})
    }

    fn track(&mut self, at: Time, event: &str, properties: Value) {
        let mut call = json!({"type": "track", "event": event, "properties": properties});
        if self.person.web || self.person.openid.is_none() {
            call["anonymousId"] = self.person.anonymous_id().into();
            if self.person.email.is_some() {
                call["userId"] = self.person.user_id().into();
            }
            self.web(at, call);
        } else if let Some(openid) = self.person.openid.clone() {
            // Fans without the site shop in the mini-program.
            let identifiers = vec![(format!("wechat.openid:{}", super::play::APP_ID), openid)];
            let name = match event {
                "Product Viewed" => "product_viewed",
                "Cart Added" => "cart_added",
                _ => "order_completed",
            };
            let properties = call["properties"].take();
            self.story.push((at, Deed::App { name, identifiers, properties }));
        }
    }

    fn web(&mut self, at: Time, mut call: Value) {
        call["messageId"] = format!("demo-{}-{:016x}", self.person.number, self.random.next_u64()).into();
        call["timestamp"] = at.to_string().into();
        self.story.push((at, Deed::Web(call)));
    }

    /// Sometime during the waking hours of a day.
    fn moment(&mut self, day: u32) -> Time {
        let hour = self.random.random_range(0..14 * 3_600);
        self.begin.plus(DAY * day + Duration::from_secs(u64::from(hour as u32)))
    }
}
