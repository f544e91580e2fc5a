BEGIN TRANSACTION;
CREATE TABLE compaction (
	run INTEGER NOT NULL, 
	thread INTEGER NOT NULL, 
	first_seq INTEGER NOT NULL, 
	last_seq INTEGER NOT NULL, 
	deltas INTEGER NOT NULL, 
	deltas_left INTEGER DEFAULT '0' NOT NULL, 
	message_sha256 VARCHAR NOT NULL, 
	at_ms BIGINT NOT NULL, 
	PRIMARY KEY (run), 
	FOREIGN KEY(run) REFERENCES run (pk), 
	FOREIGN KEY(thread) REFERENCES thread (pk)
);
CREATE TABLE event (
	thread INTEGER NOT NULL, 
	seq INTEGER NOT NULL, 
	type VARCHAR NOT NULL, 
	run INTEGER, 
	attempt INTEGER, 
	at_ms BIGINT NOT NULL, 
	part INTEGER, 
	kind VARCHAR, 
	text TEXT, 
	body TEXT, 
	PRIMARY KEY (thread, seq), 
	FOREIGN KEY(thread) REFERENCES thread (pk)
)
 WITHOUT ROWID

;
INSERT INTO "event" VALUES(1,1,'thread',NULL,NULL,1800000000000,NULL,NULL,NULL,'{"thread":{"archived":false,"created_at":"2027-01-15T08:00:00.000Z","deleted":false,"head":null,"id":"1m8m6n8crd6v91w6jrj9ga","model":"demo/tour","name":"churn","owner":"local","project":"","system":null,"title":null,"updated_at":"2027-01-15T08:00:00.000Z"}}');
INSERT INTO "event" VALUES(1,2,'message',NULL,NULL,1800000000000,NULL,NULL,NULL,'{"message":{"created_at":"2027-01-15T08:00:00.000Z","error":null,"id":"1m8m6n8cxc6j8824sy5erw","kind":"chat","model":null,"parent_id":null,"parts":[{"kind":"text","text":"Why?"}],"role":"user","run_id":null,"status":"completed","stop_reason":null,"thread_id":"1m8m6n8crd6v91w6jrj9ga","usage":null}}');
INSERT INTO "event" VALUES(1,3,'message',1,NULL,1800000000000,NULL,NULL,NULL,'{"message":{"created_at":"2027-01-15T08:00:00.000Z","error":null,"id":"1m8m6n8czqe7n9dpyhkypx","kind":"chat","model":"demo/tour","parent_id":"1m8m6n8cxc6j8824sy5erw","parts":[],"role":"assistant","run_id":"1m8m6n8cyj05ef6svna6c4","status":"pending","stop_reason":null,"thread_id":"1m8m6n8crd6v91w6jrj9ga","usage":null}}');
INSERT INTO "event" VALUES(1,4,'status',1,1,1800000000000,NULL,NULL,NULL,'{"phase":"thinking"}');
INSERT INTO "event" VALUES(1,5,'delta',1,1,1800000000000,0,'text','Prices ',NULL);
INSERT INTO "event" VALUES(1,6,'delta',1,1,1800000000000,0,'text','rose.',NULL);
INSERT INTO "event" VALUES(1,7,'complete',1,1,1800000000000,NULL,NULL,NULL,'{"content":"Prices rose.","model":null,"stop_reason":"end_turn","usage":{"cache_read_tokens":0,"cache_write_tokens":0,"input_tokens":12,"output_tokens":5}}');
INSERT INTO "event" VALUES(1,8,'finalized',1,1,1800000000000,NULL,NULL,NULL,'{"status":"completed"}');
INSERT INTO "event" VALUES(1,9,'message',NULL,NULL,1800000000000,NULL,NULL,NULL,'{"message":{"created_at":"2027-01-15T08:00:00.000Z","error":null,"id":"1m8m6n8d5sdz5t9kynjhv2","kind":"chat","model":null,"parent_id":"1m8m6n8czqe7n9dpyhkypx","parts":[{"kind":"text","text":"Why?"}],"role":"user","run_id":null,"status":"completed","stop_reason":null,"thread_id":"1m8m6n8crd6v91w6jrj9ga","usage":null}}');
INSERT INTO "event" VALUES(1,10,'message',2,NULL,1800000000000,NULL,NULL,NULL,'{"message":{"created_at":"2027-01-15T08:00:00.000Z","error":null,"id":"1m8m6n8d6abpx9ty3pshvt","kind":"chat","model":"demo/tour","parent_id":"1m8m6n8d5sdz5t9kynjhv2","parts":[],"role":"assistant","run_id":"1m8m6n8d6feakrvac5vfye","status":"pending","stop_reason":null,"thread_id":"1m8m6n8crd6v91w6jrj9ga","usage":null}}');
INSERT INTO "event" VALUES(1,11,'status',2,1,1800000000000,NULL,NULL,NULL,'{"phase":"thinking"}');
INSERT INTO "event" VALUES(1,12,'delta',2,1,1800000000000,0,'text','Half an ',NULL);
INSERT INTO "event" VALUES(1,13,'message',NULL,NULL,1800000000000,NULL,NULL,NULL,'{"message":{"created_at":"2027-01-15T08:00:00.000Z","error":null,"id":"1m8m6n8d8v6b7yj7xbm3b4","kind":"chat","model":null,"parent_id":"1m8m6n8d6abpx9ty3pshvt","parts":[{"kind":"text","text":"And then?"}],"role":"user","run_id":null,"status":"completed","stop_reason":null,"thread_id":"1m8m6n8crd6v91w6jrj9ga","usage":null}}');
INSERT INTO "event" VALUES(1,14,'message',3,NULL,1800000000000,NULL,NULL,NULL,'{"message":{"created_at":"2027-01-15T08:00:00.000Z","error":null,"id":"1m8m6n8d8cb7y18xe3558e","kind":"chat","model":"demo/tour","parent_id":"1m8m6n8d8v6b7yj7xbm3b4","parts":[],"role":"assistant","run_id":"1m8m6n8d8xcbrwdff5y59e","status":"pending","stop_reason":null,"thread_id":"1m8m6n8crd6v91w6jrj9ga","usage":null}}');
CREATE TABLE idempotency (
	owner VARCHAR NOT NULL, 
	thread INTEGER NOT NULL, 
	route VARCHAR NOT NULL, 
	"key" VARCHAR NOT NULL, 
	body_sha256 VARCHAR NOT NULL, 
	message_id VARCHAR, 
	run_id VARCHAR NOT NULL, 
	at_ms BIGINT NOT NULL, 
	PRIMARY KEY (owner, thread, route, "key"), 
	FOREIGN KEY(thread) REFERENCES thread (pk)
);
CREATE TABLE lease (
	owner VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	host VARCHAR NOT NULL, 
	pid INTEGER NOT NULL, 
	since_ms BIGINT NOT NULL, 
	until_ms BIGINT NOT NULL, 
	PRIMARY KEY (owner)
);
CREATE TABLE message (
	pk INTEGER NOT NULL, 
	id VARCHAR NOT NULL, 
	thread INTEGER NOT NULL, 
	role VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	parts TEXT NOT NULL, 
	model VARCHAR, 
	usage TEXT, 
	stop_reason VARCHAR, 
	error TEXT, 
	run_id VARCHAR, 
	parent_id VARCHAR, 
	seq INTEGER NOT NULL, 
	created_ms BIGINT NOT NULL, 
	PRIMARY KEY (pk), 
	UNIQUE (id), 
	FOREIGN KEY(thread) REFERENCES thread (pk)
);
INSERT INTO "message" VALUES(1,'1m8m6n8cxc6j8824sy5erw',1,'user','chat','completed','[{"kind":"text","text":"Why?"}]',NULL,NULL,NULL,NULL,NULL,NULL,2,1800000000000);
INSERT INTO "message" VALUES(2,'1m8m6n8czqe7n9dpyhkypx',1,'assistant','chat','completed','[{"kind":"text","text":"Prices rose."}]','demo/tour','{"cache_read_tokens":0,"cache_write_tokens":0,"input_tokens":12,"output_tokens":5}','end_turn',NULL,'1m8m6n8cyj05ef6svna6c4','1m8m6n8cxc6j8824sy5erw',8,1800000000000);
INSERT INTO "message" VALUES(3,'1m8m6n8d5sdz5t9kynjhv2',1,'user','chat','completed','[{"kind":"text","text":"Why?"}]',NULL,NULL,NULL,NULL,NULL,'1m8m6n8czqe7n9dpyhkypx',9,1800000000000);
INSERT INTO "message" VALUES(4,'1m8m6n8d6abpx9ty3pshvt',1,'assistant','chat','processing','[]','demo/tour',NULL,NULL,NULL,'1m8m6n8d6feakrvac5vfye','1m8m6n8d5sdz5t9kynjhv2',11,1800000000000);
INSERT INTO "message" VALUES(5,'1m8m6n8d8v6b7yj7xbm3b4',1,'user','chat','completed','[{"kind":"text","text":"And then?"}]',NULL,NULL,NULL,NULL,NULL,'1m8m6n8d6abpx9ty3pshvt',13,1800000000000);
INSERT INTO "message" VALUES(6,'1m8m6n8d8cb7y18xe3558e',1,'assistant','chat','pending','[]','demo/tour',NULL,NULL,NULL,'1m8m6n8d8xcbrwdff5y59e','1m8m6n8d8v6b7yj7xbm3b4',14,1800000000000);
CREATE TABLE meta (
	"key" VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('min_code_version','3');
CREATE TABLE migration (
	name VARCHAR NOT NULL, 
	at_ms BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "migration" VALUES('m0001_first_tables',1800000000000);
INSERT INTO "migration" VALUES('m0002_waits_and_leases',1800000000000);
INSERT INTO "migration" VALUES('m0003_compaction_in_steps',1800000000000);
INSERT INTO "migration" VALUES('m0004_drop_unused',1800000000000);
CREATE TABLE preference (
	owner VARCHAR NOT NULL, 
	default_model VARCHAR, 
	system TEXT, 
	on_crash VARCHAR, 
	PRIMARY KEY (owner)
);
CREATE TABLE run (
	pk INTEGER NOT NULL, 
	id VARCHAR NOT NULL, 
	thread INTEGER NOT NULL, 
	message INTEGER NOT NULL, 
	status VARCHAR NOT NULL, 
	phase VARCHAR, 
	attempt INTEGER NOT NULL, 
	model VARCHAR NOT NULL, 
	params TEXT NOT NULL, 
	error TEXT, 
	continues VARCHAR, 
	owner VARCHAR, 
	crashes INTEGER NOT NULL, 
	retries INTEGER NOT NULL, 
	created_ms BIGINT NOT NULL, 
	started_ms BIGINT, 
	first_event_ms BIGINT, 
	ended_ms BIGINT, 
	wake_ms BIGINT, 
	turn BIGINT, 
	deliver_ms BIGINT, 
	seq INTEGER NOT NULL, 
	PRIMARY KEY (pk), 
	UNIQUE (id), 
	FOREIGN KEY(thread) REFERENCES thread (pk), 
	FOREIGN KEY(message) REFERENCES message (pk)
);
INSERT INTO "run" VALUES(1,'1m8m6n8cyj05ef6svna6c4',1,2,'completed',NULL,1,'demo/tour','{}',NULL,NULL,NULL,0,0,1800000000000,1800000000000,1800000000000,1800000000000,NULL,3,NULL,8);
INSERT INTO "run" VALUES(2,'1m8m6n8d6feakrvac5vfye',1,4,'processing','thinking',1,'demo/tour','{}',NULL,NULL,'01a',0,0,1800000000000,1800000000000,1800000000000,NULL,NULL,10,NULL,12);
INSERT INTO "run" VALUES(3,'1m8m6n8d8xcbrwdff5y59e',1,6,'pending','queued',0,'demo/tour','{}',NULL,NULL,NULL,0,0,1800000000000,NULL,NULL,NULL,NULL,14,NULL,14);
CREATE TABLE schedule (
	pk INTEGER NOT NULL, 
	id VARCHAR NOT NULL, 
	thread INTEGER NOT NULL, 
	content TEXT NOT NULL, 
	cron VARCHAR NOT NULL, 
	timezone VARCHAR NOT NULL, 
	model VARCHAR, 
	params TEXT, 
	paused BOOLEAN NOT NULL, 
	next_ms BIGINT, 
	last_ms BIGINT, 
	last_run_id VARCHAR, 
	created_ms BIGINT NOT NULL, 
	PRIMARY KEY (pk), 
	UNIQUE (id), 
	FOREIGN KEY(thread) REFERENCES thread (pk)
);
CREATE TABLE thread (
	pk INTEGER NOT NULL, 
	id VARCHAR NOT NULL, 
	owner VARCHAR NOT NULL, 
	project VARCHAR NOT NULL, 
	name VARCHAR, 
	title VARCHAR, 
	model VARCHAR, 
	system TEXT, 
	head VARCHAR, 
	archived BOOLEAN NOT NULL, 
	deleted BOOLEAN NOT NULL, 
	created_ms BIGINT NOT NULL, 
	updated_ms BIGINT NOT NULL, 
	PRIMARY KEY (pk), 
	UNIQUE (id)
);
INSERT INTO "thread" VALUES(1,'1m8m6n8crd6v91w6jrj9ga','local','','churn',NULL,'demo/tour',NULL,'1m8m6n8d8cb7y18xe3558e',0,0,1800000000000,1800000000000);
CREATE INDEX thread_by_time ON thread (owner, updated_ms);
CREATE UNIQUE INDEX thread_by_name ON thread (owner, project, name);
CREATE INDEX message_by_seq ON message (thread, seq);
CREATE INDEX idempotency_by_thread ON idempotency (thread);
CREATE INDEX ix_schedule_thread ON schedule (thread);
CREATE INDEX run_by_message ON run (message);
CREATE INDEX run_by_end ON run (ended_ms);
CREATE INDEX run_by_thread ON run (thread);
CREATE INDEX ix_compaction_thread ON compaction (thread);
COMMIT;
