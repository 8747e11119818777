//! The customers of the demo.

use jiff::civil::Date;
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;

const SURNAMES: [&str; 20] = [
    "王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙", "胡", "朱", "高", "林", "何",
    "郭", "马", "欧阳",
];
const GIVEN: [&str; 24] = [
    "伟", "芳", "娜", "敏", "静", "丽", "强", "磊", "洋", "艳", "勇", "杰", "娟", "涛", "明", "秀英", "子轩",
    "雨桐", "浩然", "欣怡", "思远", "佳琪", "晨曦", "梓涵",
];
const CITIES: [&str; 8] = ["上海", "北京", "广州", "深圳", "杭州", "成都", "武汉", "西安"];

/// What a customer is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// Looks at travel day after day.
    Dreamer,
    /// Looks, fills the cart, buys.
    Buyer,
    /// Comes once in a while.
    Browser,
    /// Was there in the first days and fell silent.
    Lost,
}

/// One customer.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) number: u32,
    pub(super) name: String,
    pub(super) city: &'static str,
    /// MM-DD is what matters.
    pub(super) birthday: Date,
    pub(super) habit: Habit,
    /// Has a WeChat openid and follows the official account.
    pub(super) openid: Option<String>,
    /// Visits the shop's site.
    pub(super) web: bool,
    /// Gives an e-mail address at some point.
    pub(super) email: Option<String>,
    /// Binds WeChat and the site in the app.
    pub(super) binds: bool,
}

impl Person {
    /// Their id in the shop.
    pub(super) fn user_id(&self) -> String {
        format!("member-{:05}", self.number)
    }

    /// The browser's cookie.
    pub(super) fn anonymous_id(&self) -> String {
        format!("visitor-{:05}", self.number)
    }
}

/// Makes `count` people.
pub(super) fn cast(count: u32, random: &mut impl rand::Rng) -> Vec<Person> {
    (1..=count).map(|number| person(number, random)).collect()
}

fn person(number: u32, random: &mut impl rand::Rng) -> Person {
    let pick =
        |from: &[&'static str], random: &mut dyn rand::Rng| from.choose(random).copied().unwrap_or_default();
    let name = format!("{}{}", pick(&SURNAMES, random), pick(&GIVEN, random));
    let habit = match random.random_range(0..100) {
        0..20 => Habit::Dreamer,
        20..55 => Habit::Buyer,
        55..80 => Habit::Browser,
        _ => Habit::Lost,
    };
    let follows = random.random_bool(0.6);
    let web = !follows || random.random_bool(0.5);
    let birthday = Date::new(
        1970 + random.random_range(0..35),
        random.random_range(1..=12),
        random.random_range(1..=28),
    );
    Person {
        number,
        name,
        city: pick(&CITIES, random),
        birthday: birthday.unwrap_or_default(),
        habit,
        openid: follows.then(|| format!("oDemo{:023}", random.next_u64())),
        web,
        email: (web && random.random_bool(0.7)).then(|| format!("member{number:05}@example.com")),
        binds: follows && web && random.random_bool(0.8),
    }
}
