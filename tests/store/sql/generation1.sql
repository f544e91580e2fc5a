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
CREATE TABLE compaction (
	run INTEGER NOT NULL, 
	thread INTEGER NOT NULL, 
	first_seq INTEGER NOT NULL, 
	last_seq INTEGER NOT NULL, 
	deltas INTEGER NOT NULL, 
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
INSERT INTO "event" VALUES(1,1,'thread',NULL,NULL,1800000000010,NULL,NULL,NULL,'{"thread":{"archived":false,"created_at":"2027-01-15T08:00:00.010Z","deleted":false,"head":null,"id":"0100000000000000000001","model":"demo/tour","name":"churn","owner":"local","project":"","system":null,"title":null,"updated_at":"2027-01-15T08:00:00.010Z"}}');
INSERT INTO "event" VALUES(1,2,'message',NULL,NULL,1800000000015,NULL,NULL,NULL,'{"message":{"created_at":"2027-01-15T08:00:00.015Z","error":null,"id":"0100000000000000000002","kind":"chat","model":null,"parent_id":null,"parts":[{"kind":"text","text":"Why?"}],"role":"user","run_id":null,"status":"completed","stop_reason":null,"thread_id":"0100000000000000000001","usage":null}}');
INSERT INTO "event" VALUES(1,3,'message',1,NULL,1800000000015,NULL,NULL,NULL,'{"message":{"created_at":"2027-01-15T08:00:00.015Z","error":null,"id":"0100000000000000000004","kind":"chat","model":"demo/tour","parent_id":"0100000000000000000002","parts":[],"role":"assistant","run_id":"0100000000000000000003","status":"pending","stop_reason":null,"thread_id":"0100000000000000000001","usage":null}}');
INSERT INTO "event" VALUES(1,4,'status',1,1,1800000000020,NULL,NULL,NULL,'{"phase":"thinking"}');
INSERT INTO "event" VALUES(1,5,'delta',1,1,1800000000025,0,'text','Prices rose.',NULL);
INSERT INTO "event" VALUES(1,6,'complete',1,1,1800000000025,NULL,NULL,NULL,'{"content":"Prices rose.","model":null,"stop_reason":"end_turn","usage":null}');
INSERT INTO "event" VALUES(1,7,'finalized',1,1,1800000000025,NULL,NULL,NULL,'{"status":"completed"}');
INSERT INTO "event" VALUES(1,8,'message',NULL,NULL,1800000000030,NULL,NULL,NULL,'{"message":{"created_at":"2027-01-15T08:00:00.030Z","error":null,"id":"0100000000000000000005","kind":"chat","model":null,"parent_id":"0100000000000000000004","parts":[{"kind":"text","text":"And then?"}],"role":"user","run_id":null,"status":"completed","stop_reason":null,"thread_id":"0100000000000000000001","usage":null}}');
INSERT INTO "event" VALUES(1,9,'message',2,NULL,1800000000030,NULL,NULL,NULL,'{"message":{"created_at":"2027-01-15T08:00:00.030Z","error":null,"id":"0100000000000000000007","kind":"chat","model":"demo/tour","parent_id":"0100000000000000000005","parts":[],"role":"assistant","run_id":"0100000000000000000006","status":"pending","stop_reason":null,"thread_id":"0100000000000000000001","usage":null}}');
INSERT INTO "event" VALUES(1,10,'message',NULL,NULL,1800000000035,NULL,NULL,NULL,'{"message":{"created_at":"2027-01-15T08:00:00.035Z","error":null,"id":"0100000000000000000008","kind":"chat","model":null,"parent_id":"0100000000000000000007","parts":[{"kind":"text","text":"And now?"}],"role":"user","run_id":null,"status":"completed","stop_reason":null,"thread_id":"0100000000000000000001","usage":null}}');
INSERT INTO "event" VALUES(1,11,'message',3,NULL,1800000000035,NULL,NULL,NULL,'{"message":{"created_at":"2027-01-15T08:00:00.035Z","error":null,"id":"0100000000000000000010","kind":"chat","model":"demo/tour","parent_id":"0100000000000000000008","parts":[],"role":"assistant","run_id":"0100000000000000000009","status":"pending","stop_reason":null,"thread_id":"0100000000000000000001","usage":null}}');
INSERT INTO "event" VALUES(1,12,'status',2,1,1800000000045,NULL,NULL,NULL,'{"phase":"thinking"}');
INSERT INTO "event" VALUES(1,13,'delta',2,1,1800000000050,0,'text','They fell',NULL);
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
INSERT INTO "message" VALUES(1,'0100000000000000000002',1,'user','chat','completed','[{"kind":"text","text":"Why?"}]',NULL,NULL,NULL,NULL,NULL,NULL,2,1800000000015);
INSERT INTO "message" VALUES(2,'0100000000000000000004',1,'assistant','chat','completed','[{"kind":"text","text":"Prices rose."}]','demo/tour',NULL,'end_turn',NULL,'0100000000000000000003','0100000000000000000002',7,1800000000015);
INSERT INTO "message" VALUES(3,'0100000000000000000005',1,'user','chat','completed','[{"kind":"text","text":"And then?"}]',NULL,NULL,NULL,NULL,NULL,'0100000000000000000004',8,1800000000030);
INSERT INTO "message" VALUES(4,'0100000000000000000007',1,'assistant','chat','processing','[]','demo/tour',NULL,NULL,NULL,'0100000000000000000006','0100000000000000000005',12,1800000000030);
INSERT INTO "message" VALUES(5,'0100000000000000000008',1,'user','chat','completed','[{"kind":"text","text":"And now?"}]',NULL,NULL,NULL,NULL,NULL,'0100000000000000000007',10,1800000000035);
INSERT INTO "message" VALUES(6,'0100000000000000000010',1,'assistant','chat','pending','[]','demo/tour',NULL,NULL,NULL,'0100000000000000000009','0100000000000000000008',11,1800000000035);
CREATE TABLE meta (
	"key" VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('min_code_version','1');
CREATE TABLE migration (
	name VARCHAR NOT NULL, 
	at_ms BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "migration" VALUES('m0001_first_tables',1800000000005);
CREATE TABLE preference (
	owner VARCHAR NOT NULL, 
	default_model VARCHAR, 
	system TEXT, 
	PRIMARY KEY (owner)
);
INSERT INTO "preference" VALUES('local',NULL,'Be brief.');
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
	seq INTEGER NOT NULL, 
	PRIMARY KEY (pk), 
	UNIQUE (id), 
	FOREIGN KEY(thread) REFERENCES thread (pk), 
	FOREIGN KEY(message) REFERENCES message (pk)
);
INSERT INTO "run" VALUES(1,'0100000000000000000003',1,2,'completed',NULL,1,'demo/tour','{}',NULL,NULL,NULL,NULL,0,0,1800000000015,1800000000020,1800000000025,1800000000025,NULL,7);
INSERT INTO "run" VALUES(2,'0100000000000000000006',1,4,'processing','thinking',1,'demo/tour','{}',NULL,NULL,NULL,'01dead',0,0,1800000000030,1800000000045,1800000000050,NULL,NULL,13);
INSERT INTO "run" VALUES(3,'0100000000000000000009',1,6,'pending','queued',0,'demo/tour','{}',NULL,NULL,NULL,NULL,0,0,1800000000035,NULL,NULL,NULL,NULL,11);
CREATE TABLE schedule (
	pk INTEGER NOT NULL, 
	id VARCHAR NOT NULL, 
	thread INTEGER NOT NULL, 
	content TEXT NOT NULL, 
	cron VARCHAR NOT NULL, 
	timezone VARCHAR NOT NULL, 
	paused BOOLEAN NOT NULL, 
	next_ms BIGINT, 
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
INSERT INTO "thread" VALUES(1,'0100000000000000000001','local','','churn',NULL,'demo/tour',NULL,'0100000000000000000010',0,0,1800000000010,1800000000035);
CREATE INDEX thread_by_time ON thread (owner, updated_ms);
CREATE UNIQUE INDEX thread_by_name ON thread (owner, project, name);
CREATE INDEX message_by_seq ON message (thread, seq);
CREATE INDEX ix_schedule_thread ON schedule (thread);
CREATE UNIQUE INDEX anchor_by_cell ON anchor (owner, notebook, cell_id);
CREATE INDEX ix_anchor_thread ON anchor (thread);
CREATE INDEX run_by_thread ON run (thread);
CREATE INDEX run_by_end ON run (ended_ms);
CREATE INDEX ix_compaction_thread ON compaction (thread);
COMMIT;
