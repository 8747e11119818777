//! Rows of whole entities, a few at a time, by their keys.

mod few;
mod query;

use std::future::Future;

use kernel::{Result, Workspace};
use sea_orm::{ConnectionTrait, DatabaseTransaction, EntityTrait, TryIntoModel, Value};

pub(crate) use self::few::Few;
pub use self::query::Query;
use crate::error::StoreResult as _;
use crate::reader::Reader;

/// Keys of one query at the most.
const KEYS: usize = 500;

/// Values of a query that are few.
const FEW: usize = 100;

/// An entity, as all of ours are.
pub trait Table: EntityTrait<ActiveModel: TryIntoModel<Self::Model> + Send> {}

impl<E: EntityTrait<ActiveModel: TryIntoModel<E::Model> + Send>> Table for E {}

/// Where rows are read by their keys: in a unit of work as it stands, or outside of one as it was committed.
///
/// Outside of one a SQLite file is read on the calling thread, for few keys: that takes microseconds where a change of
/// threads there and back takes tens of them. What may look at many rows is asked as any other query, and holds nobody up.
pub trait Rows: ConnectionTrait {
    /// The rows that a query finds.
    ///
    /// # Errors
    /// When the database refuses.
    fn rows<E: Table>(&self, query: Query<E>) -> impl Future<Output = Result<Vec<E::Model>>> + Send;
}

impl Rows for DatabaseTransaction {
    async fn rows<E: Table>(&self, query: Query<E>) -> Result<Vec<E::Model>> {
        E::find().from_raw_sql(query.statement()).all(self).await.db()
    }
}

impl Rows for Reader {
    async fn rows<E: Table>(&self, query: Query<E>) -> Result<Vec<E::Model>> {
        match self.few().filter(|_| query.bound() <= FEW) {
            Some(few) => few.rows(query),
            None => E::find().from_raw_sql(query.statement()).all(self).await.db(),
        }
    }
}

/// The rows of a workspace with one of these keys, in no order.
///
/// # Errors
/// When the database refuses.
pub async fn by_keys<E: Table, V: Into<Value> + Clone + Sync>(
    db: &impl Rows,
    (tenant, workspace): (E::Column, &Workspace),
    (column, keys): (E::Column, &[V]),
) -> Result<Vec<E::Model>> {
    let mut found = Vec::with_capacity(keys.len());
    for keys in keys.chunks(KEYS) {
        let query = Query::<E>::on(db).text(" WHERE ").column(tenant).text(" = ").value(workspace.as_str());
        found.extend(db.rows(query.text(" AND ").column(column).among(keys)).await?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use kernel::Kind;
    use sea_orm::{IntoActiveModel as _, QueryOrder as _};
    use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

    use super::*;
    use crate::{Database, DatabaseConfig};

    mod sample {
        use sea_orm::entity::prelude::*;

        #[sea_orm::model]
        #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
        #[sea_orm(table_name = "sample")]
        pub(super) struct Model {
            #[sea_orm(primary_key, auto_increment = false)]
            pub id: i64,
            pub name: String,
            #[sea_orm(column_type = "Text")]
            pub note: String,
            pub few: i32,
            pub is_so: bool,
            pub key: Uuid,
            pub bytes: Vec<u8>,
            pub maybe_name: Option<String>,
            pub maybe_time: Option<i64>,
            pub maybe_few: Option<i32>,
            pub maybe_so: Option<bool>,
            pub maybe_key: Option<Uuid>,
            pub maybe_bytes: Option<Vec<u8>>,
        }

        impl ActiveModelBehavior for ActiveModel {}
    }

    #[derive(Debug)]
    struct Made;

    impl MigrationName for Made {
        fn name(&self) -> &'static str {
            "m0001_sample"
        }
    }

    #[expect(
        elided_lifetimes_in_paths,
        reason = "async_trait wants the signature of the trait, letter by letter"
    )]
    #[async_trait::async_trait]
    impl MigrationTrait for Made {
        async fn up(&self, manager: &SchemaManager) -> Result<(), sea_orm::DbErr> {
            let table =
                sea_orm::Schema::new(manager.get_database_backend()).create_table_from_entity(sample::Entity);
            manager.create_table(table).await
        }
    }

    async fn open() -> (tempfile::TempDir, Database) {
        let folder = tempfile::tempdir().unwrap();
        let config = DatabaseConfig::new(format!("sqlite:{}", folder.path().join("test.db").display()));
        let clock = kernel::Clock::system();
        let db = Database::open("test", &config, || vec![Box::new(Made)], &clock).await.unwrap();
        (folder, db)
    }

    fn samples() -> Vec<sample::Model> {
        let some = sample::Model {
            id: i64::MIN,
            name: "王小明".to_owned(),
            note: "a\u{0}b".to_owned(),
            few: i32::MAX,
            is_so: true,
            key: uuid::Uuid::max(),
            bytes: vec![0, 255],
            maybe_name: Some(String::new()),
            maybe_time: Some(i64::MAX),
            maybe_few: Some(i32::MIN),
            maybe_so: Some(false),
            maybe_key: Some(uuid::Uuid::nil()),
            maybe_bytes: Some(Vec::new()),
        };
        let none = sample::Model {
            id: 7,
            is_so: false,
            maybe_name: None,
            maybe_time: None,
            maybe_few: None,
            maybe_so: None,
            maybe_key: None,
            maybe_bytes: None,
            ..some.clone()
        };
        vec![some, none]
    }

    async fn keep(db: &Database, samples: Vec<sample::Model>) {
        let unit = db.begin().await.unwrap();
        let rows = samples.into_iter().map(sample::Model::into_active_model);
        sample::Entity::insert_many(rows).exec_without_returning(unit.db()).await.unwrap();
        unit.commit().await.unwrap();
    }

    fn all(db: &impl ConnectionTrait) -> Query<sample::Entity> {
        Query::on(db).text(" ORDER BY id")
    }

    #[tokio::test]
    async fn rows_are_as_any_other_query_finds_them() {
        let (_folder, db) = open().await;
        assert!(db.read().rows(all(db.read())).await.unwrap().is_empty());
        keep(&db, samples()).await;
        let found = db.read().rows(all(db.read())).await.unwrap();
        assert_eq!(found, samples());
        let query = sample::Entity::find().order_by_asc(sample::Column::Id);
        assert_eq!(found, query.all(db.read()).await.unwrap());
        let unit = db.begin().await.unwrap();
        assert_eq!(unit.db().rows(all(unit.db())).await.unwrap(), found);
    }

    #[tokio::test]
    async fn values_are_bound_as_they_are_kept() {
        let (_folder, db) = open().await;
        keep(&db, samples()).await;
        for asked in samples() {
            let query = Query::<sample::Entity>::on(db.read())
                .text(" WHERE id = ")
                .value(asked.id)
                .text(" AND name = ")
                .value(asked.name.as_str())
                .text(" AND few = ")
                .value(asked.few)
                .text(" AND is_so = ")
                .value(asked.is_so)
                .text(" AND key = ")
                .value(asked.key)
                .text(" AND bytes = ")
                .value(asked.bytes.clone());
            assert_eq!(db.read().rows(query).await.unwrap(), [asked]);
        }
    }

    #[tokio::test]
    async fn any_number_of_keys_is_asked_for() {
        let (_folder, db) = open().await;
        let sample = samples().remove(0);
        keep(&db, (0..1_203).map(|id| sample::Model { id, ..sample.clone() }).collect()).await;
        for wanted in [0, 1, 2, 3, 7, 499, 500, 501, 1_001] {
            let keys: Vec<i64> = (0..wanted).map(|n| n * 2).collect();
            let there = keys.iter().filter(|key| **key < 1_203).count();
            let of = (sample::Column::Name, &Workspace::new(sample.name.clone()));
            let found =
                by_keys::<sample::Entity, _>(db.read(), of, (sample::Column::Id, &keys)).await.unwrap();
            assert_eq!(found.len(), there, "{wanted}");
            assert!(found.iter().all(|row| keys.contains(&row.id)));
            let elsewhere = (sample::Column::Name, &Workspace::new("elsewhere"));
            let found = by_keys::<sample::Entity, _>(db.read(), elsewhere, (sample::Column::Id, &keys)).await;
            assert!(found.unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn only_few_are_read_on_the_calling_thread() {
        let (_folder, db) = open().await;
        keep(&db, samples()).await;
        // What goes that way finds nothing any more.
        db.read().few().unwrap().close();
        let with = async |values: usize| {
            let keys = vec![7_i64; values];
            db.read().rows(Query::<sample::Entity>::on(db.read()).text(" WHERE id").among(&keys)).await
        };
        assert_eq!(with(64).await.unwrap_err().kind, Kind::Unavailable);
        assert_eq!(with(65).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn nothing_is_read_after_the_end() {
        let (_folder, db) = open().await;
        db.read().rows(all(db.read())).await.unwrap();
        db.close().await;
        assert_eq!(db.read().rows(all(db.read())).await.unwrap_err().kind, Kind::Unavailable);
    }
}
