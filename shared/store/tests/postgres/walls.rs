//! Walls between tenants, and what is the platform's alone.

use super::*;

/// Whatever a statement says, a transaction sees and writes the rows of its own workspace, and without one none.
#[tokio::test]
async fn walls_stand_between_tenants() {
    let (_config, db) = migrated().await;
    let insert = |workspace: &str| raw(&format!("INSERT INTO note VALUES ('{workspace}', '张伟')"));
    for workspace in ["a", "b"] {
        of(workspace)
            .scope(async {
                let unit = db.begin().await.unwrap();
                unit.db().execute_raw(insert(workspace)).await.unwrap();
                unit.commit().await.unwrap();
            })
            .await;
    }
    let all = || raw("SELECT * FROM note");
    for (tenant, sees) in [(of("a"), 1), (of("b"), 1), (of("c"), 0), (of(""), 0), (Tenant::Platform, 2)] {
        let seen = tenant.clone().scope(db.read().query_all_raw(all())).await.unwrap().len();
        assert_eq!(seen, sees, "{tenant:?} outside a unit of work");
        let seen = tenant.clone().scope(async {
            let unit = db.begin().await.unwrap();
            unit.db().query_all_raw(all()).await.unwrap().len()
        });
        assert_eq!(seen.await, sees, "{tenant:?} within one");
    }
    assert_eq!(db.read().query_all_raw(all()).await.unwrap().len(), 0, "nobody said for whom");
    let stolen = of("a").scope(async {
        let unit = db.begin().await.unwrap();
        let moved =
            unit.db().execute_raw(raw("UPDATE note SET text = 'x' WHERE workspace = 'b'")).await.unwrap();
        assert_eq!(moved.rows_affected(), 0);
        unit.db().execute_raw(insert("b2")).await
    });
    assert!(stolen.await.unwrap_err().to_string().contains("row-level security"));
    assert!(db.read().execute_unprepared("DELETE FROM note").await.is_err(), "readers do not write");
}

/// What goes out bears no workspace of its own: whoever works for one adds to it, and only the platform sees it.
#[tokio::test]
async fn what_goes_out_is_the_platforms_alone() {
    let (config, db) = migrated().await;
    for workspace in ["a", "b"] {
        let work = async {
            let mut unit = db.begin().await.unwrap();
            unit.publish(&Workspace::new(workspace), &Event { id: workspace.to_owned(), ..Event::default() });
            unit.commit().await.unwrap();
        };
        of(workspace).scope(work).await;
    }
    let all = || raw("SELECT * FROM outbox");
    for (tenant, sees) in [(of("a"), 0), (of(""), 0), (Tenant::Platform, 2)] {
        let seen = tenant.clone().scope(db.read().query_all_raw(all())).await.unwrap().len();
        assert_eq!(seen, sees, "{tenant:?}");
    }
    assert_eq!(db.read().query_all_raw(all()).await.unwrap().len(), 0, "nobody said for whom");
    for statement in ["DELETE FROM outbox", "UPDATE outbox SET id = id + 1000"] {
        let touched = of("a").scope(async {
            let unit = db.begin().await.unwrap();
            let touched = unit.db().execute_raw(raw(statement)).await.unwrap().rows_affected();
            unit.commit().await.unwrap();
            touched
        });
        assert_eq!(touched.await, 0, "{statement}");
    }
    // The relay takes them, also those that another process has left.
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(folder.path(), Options::default()).unwrap();
    let db = open(&config, now).await.unwrap();
    let (producer, activity) = ("notes".into(), Activity::default());
    let relay = Relay { db: db.clone(), log: log.clone(), producer, activity };
    let mut running = JoinSet::new();
    running.spawn(relay.run());
    log.wait(Stream::Events, 0, 1).await;
    assert_eq!(log.read(Stream::Events, 0, 0, 10).await.unwrap().len(), 2);
}

/// An upgrade migrates while the release before serves: nobody finds a table whose wall is being put up anew.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_stays_in_sight_while_walls_are_renewed() {
    let (config, db) = migrated().await;
    let insert = async {
        let unit = db.begin().await.unwrap();
        unit.db().execute_raw(raw("INSERT INTO note VALUES ('a', '张伟')")).await.unwrap();
        unit.commit().await.unwrap();
    };
    of("a").scope(insert).await;
    let (reader, done) = (db.clone(), Arc::new(AtomicBool::new(false)));
    let mut reading = JoinSet::new();
    reading.spawn(of("a").scope({
        let done = done.clone();
        async move {
            while !done.load(Ordering::Relaxed) {
                let seen = reader.read().query_all_raw(raw("SELECT * FROM note")).await.unwrap().len();
                assert_eq!(seen, 1, "it was out of sight");
            }
        }
    }));
    for _ in 0..20 {
        Database::migrate("notes", &config, now).await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    reading.join_next().await.unwrap().unwrap();
}

/// The service may only add to the audit log, in its tenant's name; and nobody changes what stands there.
#[tokio::test]
async fn the_audit_log_is_append_only_and_walled() {
    let (config, db) = migrated().await;
    for workspace in ["a", "b"] {
        let work = async {
            let mut unit = db.begin().await.unwrap();
            unit.audit(entry(workspace));
            unit.commit().await.unwrap();
        };
        of(workspace).scope(work).await;
    }
    let seen = of("a").scope(db.read().query_all_raw(raw("SELECT * FROM audit"))).await.unwrap();
    assert_eq!(seen.len(), 1);
    let foreign = of("a").scope(async {
        let mut unit = db.begin().await.unwrap();
        unit.audit(entry("b"));
        unit.commit().await
    });
    foreign.await.unwrap_err();
    #[expect(
        clippy::disallowed_methods,
        reason = "as the owner of the tables does, whom the platform does not know"
    )]
    let owner = sea_orm::Database::connect(config.owner_url.expose()).await.unwrap();
    for statement in ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit", "TRUNCATE audit"] {
        let unit = Tenant::Platform.scope(db.begin()).await.unwrap();
        let refused = unit.db().execute_raw(raw(statement)).await.unwrap_err().to_string();
        assert!(refused.contains("permission denied"), "{statement}: {refused}");
        let refused = owner.execute_raw(raw(statement)).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{statement}: {refused}");
    }
    let all = Tenant::Platform.scope(db.read().query_all_raw(raw("SELECT * FROM audit"))).await.unwrap();
    assert_eq!(all.len(), 2);
    // The operator's way, as deploy/README.md has it.
    let thin = "BEGIN; SET LOCAL guanxi.platform = 'on'; \
                ALTER TABLE audit DISABLE TRIGGER audit_is_append_only; DELETE FROM audit WHERE workspace = 'a'; \
                ALTER TABLE audit ENABLE TRIGGER audit_is_append_only; COMMIT;";
    owner.execute_unprepared(thin).await.unwrap();
    let left = Tenant::Platform.scope(db.read().query_all_raw(raw("SELECT * FROM audit"))).await.unwrap();
    assert_eq!(left.len(), 1);
    owner.execute_raw(raw("DELETE FROM audit")).await.unwrap_err();
}

fn entry(workspace: &str) -> Entry {
    Entry {
        workspace: Workspace::new(workspace),
        actor: "li.wei".to_owned(),
        method: "guanxi.notes.v1.NoteService/CreateNote".to_owned(),
        resource_kind: "note".to_owned(),
        resource_id: "张伟".to_owned(),
        before: None,
        after: Some("{}".to_owned()),
        trace_id: String::new(),
    }
}
