//! Many rows at once.
//!
//! A statement for every power of two of rows, and for each number of a few: the text of each is always the same, so that
//! the database parses it once and no syntax tree is built for hundreds of values.

use std::fmt::Write as _;

use kernel::{Error, Result};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbBackend, EntityName as _, EntityTrait, IdenStatic as _,
    Iterable as _, PrimaryKeyToColumn as _, Statement, Value,
};

use crate::error::StoreResult as _;

/// Values in one statement at the most: SQLite takes 32,766, PostgreSQL 65,535.
const MAX_VALUES: usize = 32_766;
/// Rows in one statement at the most; longer ones gain nothing.
const MAX_ROWS: usize = 512;

/// So many rows are one statement, whatever their number: under a small load batches are small, and each statement costs
/// a change of threads.
const FEW: usize = 16;

/// What becomes of a row whose key is there already.
#[derive(Clone, Copy, Debug)]
pub enum Clash<'a, C> {
    /// Nothing is written: an error.
    Refuse,
    /// The one that is there stays.
    Keep,
    /// These columns are written anew.
    Replace(&'a [C]),
    /// Of each of these columns the lesser or the greater value stays.
    Bound(&'a [(C, Bound)]),
    /// All of it is written anew.
    ReplaceAll,
}

/// Which of two values stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The lesser.
    Least,
    /// The greater.
    Greatest,
}

type Column<A> = <<A as ActiveModelTrait>::Entity as EntityTrait>::Column;

/// Inserts rows, each with a value for every column.
///
/// # Errors
/// When the database refuses, [`kernel::Kind::Internal`] for a row without a value for a column.
pub async fn insert<A: ActiveModelTrait>(
    db: &impl ConnectionTrait,
    rows: impl IntoIterator<Item = A>,
    clash: Clash<'_, Column<A>>,
) -> Result<()> {
    let columns: Vec<Column<A>> = Column::<A>::iter().collect();
    let (mut values, mut left) = (Vec::new(), 0_usize);
    for mut row in rows {
        left += 1;
        for column in &columns {
            let missing = || Error::internal(format!("a row to be inserted lacks `{}`", column.as_str()));
            values.push(row.take(*column).into_value().ok_or_else(missing)?);
        }
    }
    let most = MAX_ROWS.min(MAX_VALUES / columns.len().max(1)).max(1);
    let mut values = values.into_iter();
    while left > 0 {
        let rows = if left <= FEW.min(most) { left } else { 1 << left.min(most).ilog2() };
        let part: Vec<Value> = values.by_ref().take(rows * columns.len()).collect();
        let backend = db.get_database_backend();
        let sql = text::<A>(backend, &columns, rows, clash);
        db.execute_raw(Statement::from_sql_and_values(backend, sql, part)).await.db()?;
        left -= rows;
    }
    Ok(())
}

fn text<A: ActiveModelTrait>(
    backend: DbBackend,
    columns: &[Column<A>],
    rows: usize,
    clash: Clash<'_, Column<A>>,
) -> String {
    let names = |columns: &[Column<A>]| list(columns.iter().map(|column| format!("\"{}\"", column.as_str())));
    let keys: Vec<Column<A>> =
        <A::Entity as EntityTrait>::PrimaryKey::iter().map(|key| key.into_column()).collect();
    let is_key = |column: &Column<A>| keys.iter().any(|key| key.as_str() == column.as_str());
    let entity = A::Entity::default();
    let table = entity.table_name();
    let mut sql = format!("INSERT INTO \"{table}\" ({}) VALUES ", names(columns));
    let mut place = 0;
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns.len() {
            place += 1;
            let comma = if column == 0 { "" } else { ", " };
            // Writing to a string cannot fail.
            let _written = match backend {
                DbBackend::Postgres => write!(sql, "{comma}${place}"),
                _ => write!(sql, "{comma}?"),
            };
        }
        sql.push(')');
    }
    let anew = |column: &Column<A>| format!("\"{0}\" = excluded.\"{0}\"", column.as_str());
    let changes: Vec<String> = match clash {
        Clash::Refuse => return sql,
        Clash::Keep => Vec::new(),
        Clash::Replace(columns) => columns.iter().map(anew).collect(),
        Clash::ReplaceAll => columns.iter().filter(|column| !is_key(column)).map(anew).collect(),
        Clash::Bound(columns) => {
            columns.iter().map(|(column, bound)| bounded(table, column, *bound)).collect()
        }
    };
    sql.push_str(&format!(" ON CONFLICT ({}) DO ", names(&keys)));
    if changes.is_empty() {
        sql.push_str("NOTHING");
    } else {
        sql.push_str(&format!("UPDATE SET {}", changes.join(", ")));
    }
    sql
}

/// SQLite and PostgreSQL name the function for this differently.
fn bounded(table: &str, column: &impl sea_orm::IdenStatic, bound: Bound) -> String {
    let name = column.as_str();
    let sign = if bound == Bound::Least { '<' } else { '>' };
    format!(
        "\"{name}\" = CASE WHEN excluded.\"{name}\" {sign} \"{table}\".\"{name}\" THEN excluded.\"{name}\" \
         ELSE \"{table}\".\"{name}\" END"
    )
}

fn list(names: impl Iterator<Item = String>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use sea_orm::{EntityTrait as _, QueryOrder as _, Set};
    use sea_orm_migration::prelude::*;

    use super::*;

    mod row {
        use sea_orm::entity::prelude::*;

        #[sea_orm::model]
        #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
        #[sea_orm(table_name = "seat")]
        pub(super) struct Model {
            #[sea_orm(primary_key, auto_increment = false)]
            pub key: i64,
            pub name: String,
            pub note: Option<String>,
        }

        impl ActiveModelBehavior for ActiveModel {}
    }

    async fn table() -> sea_orm::DatabaseConnection {
        #[expect(clippy::disallowed_methods, reason = "a database of its own, in memory")]
        let db = sea_orm::Database::connect("sqlite::memory:").await.unwrap();
        let table = Table::create()
            .table("seat")
            .col(ColumnDef::new("key").big_integer().not_null().primary_key())
            .col(ColumnDef::new("name").string().not_null())
            .col(ColumnDef::new("note").string().null())
            .to_owned();
        db.execute(&table).await.unwrap();
        db
    }

    fn row(key: i64, name: &str) -> row::ActiveModel {
        row::ActiveModel { key: Set(key), name: Set(name.to_owned()), note: Set(None) }
    }

    async fn all(db: &sea_orm::DatabaseConnection) -> Vec<(i64, String)> {
        let rows = row::Entity::find().order_by_asc(row::Column::Key).all(db).await.unwrap();
        rows.into_iter().map(|row| (row.key, row.name)).collect()
    }

    #[tokio::test]
    async fn any_number_of_rows_arrives() {
        for rows in [0, 1, 2, 3, 7, 16, 17, 31, 512, 513, 1_337] {
            let db = table().await;
            insert(&db, (0..rows).map(|key| row(key, "王芳")), Clash::Refuse).await.unwrap();
            assert_eq!(all(&db).await, (0..rows).map(|key| (key, "王芳".to_owned())).collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn a_key_that_is_there_is_refused_kept_or_replaced() {
        let db = table().await;
        insert(&db, [row(1, "王芳")], Clash::Refuse).await.unwrap();
        assert!(insert(&db, [row(1, "李娜")], Clash::Refuse).await.is_err());
        insert(&db, [row(1, "李娜"), row(2, "张伟")], Clash::Keep).await.unwrap();
        assert_eq!(all(&db).await, [(1, "王芳".to_owned()), (2, "张伟".to_owned())]);
        insert(&db, [row(1, "李娜")], Clash::Replace(&[row::Column::Note])).await.unwrap();
        assert_eq!(all(&db).await[0].1, "王芳");
        insert(&db, [row(1, "李娜")], Clash::Replace(&[row::Column::Name])).await.unwrap();
        insert(&db, [row(2, "刘洋")], Clash::ReplaceAll).await.unwrap();
        assert_eq!(all(&db).await, [(1, "李娜".to_owned()), (2, "刘洋".to_owned())]);
    }

    #[tokio::test]
    async fn of_a_bound_column_the_lesser_or_the_greater_stays() {
        let db = table().await;
        insert(&db, [row(1, "m"), row(2, "m")], Clash::Refuse).await.unwrap();
        for name in ["b", "x"] {
            insert(&db, [row(1, name)], Clash::Bound(&[(row::Column::Name, Bound::Least)])).await.unwrap();
            insert(&db, [row(2, name)], Clash::Bound(&[(row::Column::Name, Bound::Greatest)])).await.unwrap();
        }
        assert_eq!(all(&db).await, [(1, "b".to_owned()), (2, "x".to_owned())]);
    }

    #[tokio::test]
    async fn a_row_without_a_value_is_refused_by_name() {
        let db = table().await;
        let error =
            insert(&db, [row::ActiveModel { key: Set(1), ..Default::default() }], Clash::Refuse).await;
        assert!(error.unwrap_err().to_string().contains("`name`"));
    }
}
