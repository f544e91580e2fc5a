BEGIN TRANSACTION;
CREATE TABLE anchor (
	pk INTEGER NOT NULL, 
	owner VARCHAR NOT NULL, 
	notebook VARCHAR NOT NULL, 
	cell_id VARCHAR NOT NULL, 
	thread INTEGER NOT NULL, 
	run_id VARCHAR, 
	at_ms BIGINT NOT NULL, 
	PRIMARY KEY (pk), 
	FOREIGN KEY(thread) REFERENCES thread (pk)
);
INSERT INTO "anchor" VALUES(1,'local','n.ipynb','c1',1,NULL,1);
CREATE TABLE archive (
	run INTEGER NOT NULL, 
	first_seq INTEGER NOT NULL, 
	last_seq INTEGER NOT NULL, 
	thread INTEGER NOT NULL, 
	deltas INTEGER NOT NULL, 
	data BLOB NOT NULL, 
	PRIMARY KEY (run, first_seq), 
	FOREIGN KEY(run) REFERENCES run (pk), 
	FOREIGN KEY(thread) REFERENCES thread (pk)
);
INSERT INTO "archive" VALUES(1,5,6,1,2,X'789C8B8E36D531D431B43040001D031DA592D48A12251DA580A2CCE4D46205A5589D68333CCA8AF28B53F594626301CC991333');
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
INSERT INTO "compaction" VALUES(1,1,5,6,2,0,'27a0f627b9a5c7f4cef2445af18937cc627548d630a9b9fc60d9cf3aa44f6c73',1800000001001);
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
INSERT INTO "event" VALUES(1,1,'thread',NULL,NULL,1800000000000,NULL,NULL,NULL,'{"thread":{"archived":false,"created_at":"2027-01-15T08:00:00.000Z","deleted":false,"head":null,"id":"0100000000000000000001","model":"demo/tour","name":"churn","owner":"local","project":"","system":null,"title":null,"updated_at":"2027-01-15T08:00:00.000Z"}}');
INSERT INTO "event" VALUES(1,2,'message',NULL,NULL,1800000000000,NULL,NULL,NULL,'{"message":{"created_at":"2027-01-15T08:00:00.000Z","error":null,"id":"0100000000000000000002","kind":"chat","model":null,"parent_id":null,"parts":[{"kind":"text","text":"Why?"}],"role":"user","run_id":null,"status":"completed","stop_reason":null,"thread_id":"0100000000000000000001","usage":null}}');
INSERT INTO "event" VALUES(1,3,'message',1,NULL,1800000000000,NULL,NULL,NULL,'{"message":{"created_at":"2027-01-15T08:00:00.000Z","error":null,"id":"0100000000000000000004","kind":"chat","model":"demo/tour","parent_id":"0100000000000000000002","parts":[],"role":"assistant","run_id":"0100000000000000000003","status":"pending","stop_reason":null,"thread_id":"0100000000000000000001","usage":null}}');
INSERT INTO "event" VALUES(1,4,'status',1,1,1800000000000,NULL,NULL,NULL,'{"phase":"thinking"}');
INSERT INTO "event" VALUES(1,7,'complete',1,1,1800000000000,NULL,NULL,NULL,'{"content":"Prices rose.","model":null,"stop_reason":"end_turn","usage":null}');
INSERT INTO "event" VALUES(1,8,'finalized',1,1,1800000000000,NULL,NULL,NULL,'{"status":"completed"}');
INSERT INTO "event" VALUES(1,9,'message',NULL,NULL,1800000002001,NULL,NULL,NULL,'{"message":{"created_at":"2027-01-15T08:00:02.001Z","error":null,"id":"0100000000000000000006","kind":"chat","model":null,"parent_id":"0100000000000000000004","parts":[{"kind":"text","text":"Why?"}],"role":"user","run_id":null,"status":"completed","stop_reason":null,"thread_id":"0100000000000000000001","usage":null}}');
INSERT INTO "event" VALUES(1,10,'message',2,NULL,1800000002001,NULL,NULL,NULL,'{"message":{"created_at":"2027-01-15T08:00:02.001Z","error":null,"id":"0100000000000000000008","kind":"chat","model":"demo/tour","parent_id":"0100000000000000000006","parts":[],"role":"assistant","run_id":"0100000000000000000007","status":"pending","stop_reason":null,"thread_id":"0100000000000000000001","usage":null}}');
INSERT INTO "event" VALUES(1,11,'status',2,1,1800000002001,NULL,NULL,NULL,'{"phase":"thinking"}');
INSERT INTO "event" VALUES(1,12,'delta',2,1,1800000002001,0,'text','By ',NULL);
INSERT INTO "event" VALUES(1,13,'delta',2,1,1800000002001,0,'text','ten ',NULL);
INSERT INTO "event" VALUES(1,14,'delta',2,1,1800000002001,0,'text','per cent.',NULL);
INSERT INTO "event" VALUES(1,15,'complete',2,1,1800000002001,NULL,NULL,NULL,'{"content":"By ten per cent.","model":null,"stop_reason":"end_turn","usage":null}');
INSERT INTO "event" VALUES(1,16,'finalized',2,1,1800000002001,NULL,NULL,NULL,'{"status":"completed"}');
INSERT INTO "event" VALUES(1,17,'message',NULL,NULL,1800000002001,NULL,NULL,NULL,'{"message":{"created_at":"2027-01-15T08:00:02.001Z","error":null,"id":"0100000000000000000009","kind":"chat","model":null,"parent_id":"0100000000000000000008","parts":[{"kind":"text","text":"Why?"}],"role":"user","run_id":null,"status":"completed","stop_reason":null,"thread_id":"0100000000000000000001","usage":null}}');
INSERT INTO "event" VALUES(1,18,'message',3,NULL,1800000002001,NULL,NULL,NULL,'{"message":{"created_at":"2027-01-15T08:00:02.001Z","error":null,"id":"0100000000000000000011","kind":"chat","model":"demo/tour","parent_id":"0100000000000000000009","parts":[],"role":"assistant","run_id":"0100000000000000000010","status":"pending","stop_reason":null,"thread_id":"0100000000000000000001","usage":null}}');
INSERT INTO "event" VALUES(1,19,'status',3,1,1800000002001,NULL,NULL,NULL,'{"phase":"thinking"}');
INSERT INTO "event" VALUES(1,20,'delta',3,1,1800000002001,0,'text','Since ',NULL);
INSERT INTO "event" VALUES(1,21,'delta',3,1,1800000002001,0,'text','March',NULL);
INSERT INTO "event" VALUES(1,22,'message',NULL,NULL,1800000002001,NULL,NULL,NULL,'{"message":{"created_at":"2027-01-15T08:00:02.001Z","error":null,"id":"0100000000000000000012","kind":"chat","model":null,"parent_id":"0100000000000000000011","parts":[{"kind":"text","text":"And now?"}],"role":"user","run_id":null,"status":"completed","stop_reason":null,"thread_id":"0100000000000000000001","usage":null}}');
INSERT INTO "event" VALUES(1,23,'message',4,NULL,1800000002001,NULL,NULL,NULL,'{"message":{"created_at":"2027-01-15T08:00:02.001Z","error":null,"id":"0100000000000000000014","kind":"chat","model":"demo/tour","parent_id":"0100000000000000000012","parts":[],"role":"assistant","run_id":"0100000000000000000013","status":"pending","stop_reason":null,"thread_id":"0100000000000000000001","usage":null}}');
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
INSERT INTO "message" VALUES(1,'0100000000000000000002',1,'user','chat','completed','[{"kind":"text","text":"Why?"}]',NULL,NULL,NULL,NULL,NULL,NULL,2,1800000000000);
INSERT INTO "message" VALUES(2,'0100000000000000000004',1,'assistant','chat','completed','[{"kind":"text","text":"Prices rose."}]','demo/tour',NULL,'end_turn',NULL,'0100000000000000000003','0100000000000000000002',8,1800000000000);
INSERT INTO "message" VALUES(3,'0100000000000000000006',1,'user','chat','completed','[{"kind":"text","text":"Why?"}]',NULL,NULL,NULL,NULL,NULL,'0100000000000000000004',9,1800000002001);
INSERT INTO "message" VALUES(4,'0100000000000000000008',1,'assistant','chat','completed','[{"kind":"text","text":"By ten per cent."}]','demo/tour',NULL,'end_turn',NULL,'0100000000000000000007','0100000000000000000006',16,1800000002001);
INSERT INTO "message" VALUES(5,'0100000000000000000009',1,'user','chat','completed','[{"kind":"text","text":"Why?"}]',NULL,NULL,NULL,NULL,NULL,'0100000000000000000008',17,1800000002001);
INSERT INTO "message" VALUES(6,'0100000000000000000011',1,'assistant','chat','processing','[]','demo/tour',NULL,NULL,NULL,'0100000000000000000010','0100000000000000000009',19,1800000002001);
INSERT INTO "message" VALUES(7,'0100000000000000000012',1,'user','chat','completed','[{"kind":"text","text":"And now?"}]',NULL,NULL,NULL,NULL,NULL,'0100000000000000000011',22,1800000002001);
INSERT INTO "message" VALUES(8,'0100000000000000000014',1,'assistant','chat','pending','[]','demo/tour',NULL,NULL,NULL,'0100000000000000000013','0100000000000000000012',23,1800000002001);
CREATE TABLE meta (
	"key" VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('min_code_version','2');
CREATE TABLE migration (
	name VARCHAR NOT NULL, 
	at_ms BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "migration" VALUES('m0001_first_tables',1800000000000);
INSERT INTO "migration" VALUES('m0002_waits_and_leases',1800000000000);
INSERT INTO "migration" VALUES('m0003_compaction_in_steps',1800000000000);
CREATE TABLE preference (
	owner VARCHAR NOT NULL, 
	default_model VARCHAR, 
	system TEXT, 
	on_crash VARCHAR, 
	PRIMARY KEY (owner)
);
INSERT INTO "preference" VALUES('local',NULL,'Be brief.',NULL);
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
	job_id VARCHAR, 
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
INSERT INTO "run" VALUES(1,'0100000000000000000003',1,2,'completed',NULL,1,'demo/tour','{}',NULL,NULL,NULL,NULL,0,0,1800000000000,1800000000000,1800000000000,1800000000000,NULL,3,NULL,8);
INSERT INTO "run" VALUES(2,'0100000000000000000007',1,4,'completed',NULL,1,'demo/tour','{}',NULL,NULL,NULL,NULL,0,0,1800000002001,1800000002001,1800000002001,1800000002001,NULL,10,NULL,16);
INSERT INTO "run" VALUES(3,'0100000000000000000010',1,6,'processing','thinking',1,'demo/tour','{}',NULL,NULL,NULL,'01a',0,0,1800000002001,1800000002001,1800000002001,NULL,NULL,18,NULL,20);
INSERT INTO "run" VALUES(4,'0100000000000000000013',1,8,'pending','queued',0,'demo/tour','{}',NULL,NULL,NULL,NULL,0,0,1800000002001,NULL,NULL,NULL,NULL,23,NULL,23);
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
INSERT INTO "thread" VALUES(1,'0100000000000000000001','local','','churn',NULL,'demo/tour',NULL,'0100000000000000000014',0,0,1800000000000,1800000002001);
CREATE UNIQUE INDEX thread_by_name ON thread (owner, project, name);
CREATE INDEX thread_by_time ON thread (owner, updated_ms);
CREATE INDEX message_by_seq ON message (thread, seq);
CREATE INDEX idempotency_by_thread ON idempotency (thread);
CREATE INDEX ix_schedule_thread ON schedule (thread);
CREATE UNIQUE INDEX anchor_by_cell ON anchor (owner, notebook, cell_id);
CREATE INDEX ix_anchor_thread ON anchor (thread);
CREATE INDEX run_by_thread ON run (thread);
CREATE INDEX run_by_end ON run (ended_ms);
CREATE INDEX run_by_message ON run (message);
CREATE INDEX ix_compaction_thread ON compaction (thread);
CREATE INDEX archive_by_seq ON archive (thread, first_seq);
COMMIT;
