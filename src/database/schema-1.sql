-- The queue on PostgreSQL, version 1: tables, and the functions through which everybody uses them.
--
-- Rows that stay (message, recipient, record) are apart from rows that come and go with each delivery
-- (ready, deferred, leased). A long transaction elsewhere keeps the dead versions of the latter, so nothing
-- scans over them: `ready` is in the order of the transactions that filled it, and who claims goes on where
-- it stopped (doc/decisions/database-queue.md).
--
-- Text in an index is COLLATE "C". The order of a language changes with the server's libraries (an upgrade of the system,
-- a standby on another one), and an index by the former order does not find what is there: a key, and the message goes twice.
--
-- Run by the owner, in one transaction, with the schema empty.

CREATE TABLE version (
    number      int PRIMARY KEY,
    oldest      int NOT NULL,                       -- that a program may be written for, and use this one
    installed   timestamptz NOT NULL DEFAULT now()
);
INSERT INTO version (number, oldest) VALUES (1, 1);

-- What was handed over. Never updated. The content is stored outside the row and uncompressed, so that a piece of
-- it can be read without the rest.
CREATE TABLE message (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queued              timestamptz NOT NULL DEFAULT clock_timestamp(),
    role                name NOT NULL DEFAULT session_user,
    uid                 bigint,                     -- of the user, where a program of outbox queued it
    key                 text,                       -- what makes a second call with it the same message
    moved               boolean NOT NULL DEFAULT false,     -- the key is arrive()'s, and none of an application's
    lane                text NOT NULL DEFAULT '',
    sender              text NOT NULL,              -- RFC 5321, without angle brackets; '' is the null sender
    sender_parameters   text NOT NULL DEFAULT '',   -- RFC 5321 4.1.2, of MAIL
    recipients          int NOT NULL DEFAULT 1,     -- how many
    since               timestamptz,                -- from when on it waits, where that is not when its id was given
    content             bytea NOT NULL
);
ALTER TABLE message ALTER content SET STORAGE EXTERNAL;

-- The keys of a week, and of all that is there: a message may be delivered and gone before whoever handed it over tries
-- again because the answer to a commit was lost.
CREATE TABLE used_key (
    role        name NOT NULL DEFAULT session_user,
    key         text COLLATE "C" NOT NULL,
    moved       boolean NOT NULL DEFAULT false,
    message     bigint NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (role, key, moved)
);
CREATE INDEX used_key_at ON used_key (at);

-- recipient and record go with their message, by a trigger on each statement that deletes messages. A foreign key would
-- lock the message's row for each of theirs that is written, and look for theirs once for each that is deleted.
CREATE TABLE recipient (
    message     bigint NOT NULL,
    number      int NOT NULL,                       -- from 0, in the order they were given
    address     text NOT NULL,
    parameters  text NOT NULL DEFAULT '',           -- of RCPT
    outcome     text CHECK (outcome IN ('delivered', 'refused')),   -- NULL: not finished
    PRIMARY KEY (message, number)
) WITH (fillfactor = 80);

-- The lines of a message's record, as the directory's `.status` has them (doc/spool.md).
CREATE TABLE record (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message     bigint NOT NULL,
    line        jsonb NOT NULL
);
CREATE INDEX record_message ON record (message, id);

CREATE FUNCTION forget_parts() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    DELETE FROM recipient WHERE message = ANY (ARRAY (SELECT id FROM gone));
    DELETE FROM record WHERE message = ANY (ARRAY (SELECT id FROM gone));
    RETURN NULL;
END $$;
CREATE TRIGGER parts AFTER DELETE ON message REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION forget_parts();

-- A message is in one of these: ready, deferred, leased, aside or ended.
CREATE TABLE ready (
    lane            text COLLATE "C" NOT NULL,
    arrived         xid8 NOT NULL DEFAULT pg_current_xact_id(),
    message         bigint NOT NULL,
    attempts        int NOT NULL DEFAULT 0,
    first_attempt   timestamptz,
    declined        bigint[],                       -- by these daemons, see deferred
    PRIMARY KEY (lane, arrived, message)
);
CREATE UNIQUE INDEX ready_message ON ready (message);

CREATE TABLE deferred (
    message         bigint PRIMARY KEY,
    lane            text NOT NULL,
    due             timestamptz NOT NULL,
    attempts        int NOT NULL,
    first_attempt   timestamptz,
    declined        bigint[],                       -- by these daemons, which have no relay for it at present: it is
                                                    -- offered to the others, and to all when it is due. Of nobody: it
                                                    -- only waits for its turn at the daemon that put it off. NULL: it
                                                    -- is not to go before it is due
    turn            bigint                          -- that daemon, at whose end it is ready
);
CREATE INDEX deferred_due ON deferred (due);
CREATE INDEX deferred_waits ON deferred (message) WHERE attempts > 0 OR declined IS NOT NULL;
CREATE INDEX deferred_declined ON deferred (message) WHERE declined <> '{}';
CREATE INDEX deferred_turn ON deferred (turn) WHERE turn IS NOT NULL;

-- Every lane that a message was ever put into but '', so that who claims knows where to look. Never deleted from. One may
-- be there more than once: whoever is first to use it must not have to wait for another who is, and has not committed.
CREATE TABLE lane (
    name    text NOT NULL,
    role    name NOT NULL DEFAULT session_user      -- whose message was the first
);
ALTER TABLE lane REPLICA IDENTITY FULL;             -- a publication of all tables is to take it

-- A daemon that delivers. Its id is the token of what it holds: one that was stopped for longer than its lease is
-- not found here, and comes back as another. It is the microsecond in which the daemon began, for one of a sequence is given
-- again in a schema that is made anew, and after a restore: two would be one then. One small row is renewed, not one
-- for each message.
CREATE TABLE daemon (
    id          bigint PRIMARY KEY,
    name        text NOT NULL,                      -- of its machine, for people
    role        name NOT NULL DEFAULT session_user,
    started     timestamptz NOT NULL DEFAULT clock_timestamp(),
    renewed     timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen        timestamptz,                        -- by all: its row had been committed then
    until       timestamptz NOT NULL,               -- the end of its lease
    idle        boolean NOT NULL DEFAULT false,     -- a new message is worth a notification
    figures     jsonb
) WITH (fillfactor = 30);

-- Which daemon looks for what waits for too long: one for all, as long as it does.
CREATE TABLE watch (
    daemon      bigint NOT NULL,
    until       timestamptz NOT NULL,
    message     bigint NOT NULL DEFAULT 0           -- that was found last: it is looked for from there on
);
ALTER TABLE watch REPLICA IDENTITY FULL;
INSERT INTO watch VALUES (0, '-infinity');

-- What a daemon wants to find again after a restart: what its relays have taken of late.
CREATE TABLE kept (
    daemon      bigint PRIMARY KEY,
    name        text NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    text        text NOT NULL
);

CREATE TABLE leased (
    message         bigint PRIMARY KEY,
    daemon          bigint NOT NULL,
    lane            text NOT NULL,
    attempts        int NOT NULL,
    first_attempt   timestamptz,
    sending         boolean NOT NULL DEFAULT false, -- for longer than a moment, and not just claimed
    declined        bigint[]                        -- as above
) WITH (fillfactor = 50);
CREATE INDEX leased_daemon ON leased (daemon);

-- What an operator wants to do with a message that a daemon has claimed: that one looks here, and lets go of what it does
-- not send yet.
CREATE TABLE wish (
    message     bigint PRIMARY KEY,
    daemon      bigint NOT NULL,
    action      text NOT NULL CHECK (action IN ('hold', 'delete')),
    owner       bigint,                             -- as change() has it
    until       timestamptz NOT NULL,               -- nobody waits for it any more
    granted     boolean NOT NULL DEFAULT false
);

CREATE TABLE aside (                                -- an operator holds it
    message         bigint PRIMARY KEY,
    lane            text NOT NULL,
    since           timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts        int NOT NULL DEFAULT 0,
    first_attempt   timestamptz,
    not_before      timestamptz,                    -- of one that was not tried: the time to begin with
    mover           text,                           -- who is just moving it to or from a queue directory
    was             text                            -- where it is to be when that has been done
);

CREATE TABLE ended (
    message     bigint PRIMARY KEY,
    state       text COLLATE "C" NOT NULL CHECK (state IN ('sent', 'failed')),
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    error       int,
    text        text
);
CREATE INDEX ended_state ON ended (state, at);

-- What is asked first: the version of this schema, whether nothing can be written here, and the oldest version that a
-- program may be written for.
CREATE FUNCTION hello(OUT version int, OUT read_only boolean, OUT oldest int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT max(number), current_setting('transaction_read_only')::boolean, max(version.oldest) FROM version
$$;

-- Pieces of messages that are being handed over, of the transaction that does so: it deletes them, too. What one left has
-- no use, and is deleted by reap().
CREATE UNLOGGED TABLE piece (
    xact    xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id      bigint GENERATED ALWAYS AS IDENTITY,
    data    bytea NOT NULL,
    PRIMARY KEY (xact, id)
);
ALTER TABLE piece ALTER data SET STORAGE EXTERNAL;

-- Queueing ---------------------------------------------------------------------------------------------------

-- Where the first message of a burst is heard of at once. A notification takes a lock of the whole instance at its
-- commit, so only somebody who waits is notified, and by one transaction at a time. A transaction that has notified cannot
-- be prepared: where that can be meant (max_prepared_transactions is not 0), daemons find the message when they ask next,
-- within a second. `outbox.notify`, 'on' or 'off', says otherwise.
CREATE FUNCTION may_notify() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce(nullif(current_setting('outbox.notify', true), '') = 'on',
        current_setting('max_prepared_transactions') = '0');
END $$;

CREATE FUNCTION ring() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF may_notify() AND EXISTS (SELECT FROM daemon WHERE idle) AND pg_try_advisory_xact_lock(hashtext('outbox.ring')) THEN
        PERFORM pg_notify('outbox', '');
    END IF;
END $$;

-- Daemons look for messages in the lanes that are here: nobody makes them look in too many, nor uses up the names of others.
CREATE FUNCTION know_lane(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF know_lane.name <> '' AND NOT EXISTS (SELECT FROM lane WHERE lane.name = know_lane.name) THEN
        IF (SELECT count(DISTINCT lane.name) FROM lane WHERE lane.role = session_user) >= 200 THEN
            RAISE EXCEPTION 'outbox: the lane "%" would be the 201st of the role "%"', know_lane.name, session_user
                USING ERRCODE = '22023', HINT = 'Name one of those that are there: SELECT outbox.lanes(), as an operator.';
        ELSIF (SELECT count(DISTINCT lane.name) FROM lane) >= 900 THEN
            RAISE EXCEPTION 'outbox: the lane "%" would be the 901st', know_lane.name USING ERRCODE = '22023',
                HINT = 'Name one of those that are there: SELECT outbox.lanes(), as an operator.';
        END IF;
        INSERT INTO lane (name) VALUES (know_lane.name);
    END IF;
END $$;

CREATE FUNCTION lanes() RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT DISTINCT name FROM lane ORDER BY name
$$;

-- What is wrong with an address of an envelope, or NULL. It takes what a daemon takes (src/message/address.c), but for the
-- numbers of an address literal: who queues is told of it at once, and no other recipient goes without his for one that
-- is none. What most addresses are is seen by one pattern. Patterns are E'', which a caller's standard_conforming_strings
-- does not change.
CREATE FUNCTION address_fault(address text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN octet_length(address) <= 64
                AND address ~ '^[A-Za-z0-9_+-]+([.][A-Za-z0-9_+-]+)*@[A-Za-z0-9]+([.-][A-Za-z0-9]+)*$' THEN NULL
        WHEN address IS NULL THEN 'it is NULL'
        WHEN address = '' THEN 'it is empty'
        WHEN octet_length(address) > 900 THEN 'it is longer than 900 octets'
        WHEN address ~ E'[\\x01-\\x1f\\x7f-\\x9f]' THEN 'it has a control character'
        WHEN address ~ '^"' AND address !~ E'^"([^"\\\\]|\\\\.)*"@[^" <>@]+$'
            THEN 'what is in quotation marks has no end, or no domain follows'
        WHEN address !~ '^"' AND address ~ '[ <>]' THEN 'it has a blank, a control character or an angle bracket'
        WHEN address !~ '.@.' THEN 'it has no domain'
        WHEN address ~ '^''.*''$' THEN 'it stands in apostrophes; write it without them'
        WHEN address ~ '^[^"].*@.*@|^@' THEN 'it has more than one @; each address is an element of its own'
        WHEN address ~ '^([](),:;[]|[^"@]+[](),:;"[])' OR address ~ E'^[^"@]*\\\\'
            THEN 'before the @ is a character that is allowed in quotation marks only'
        WHEN address ~ '^[.]' OR address ~ '^[^"@]*[.][.@]'
            THEN 'before the @, a dot must stand between other characters; put that part in quotes if it is meant so'
        WHEN address ~ E'@\\[[^@]*$' THEN
            CASE WHEN address !~* E'@\\[([0-9.]+|ipv6:[0-9a-f:.]+)\\]$'
                THEN 'its address literal is neither [192.0.2.1] nor [IPv6:2001:db8::1]' END
        WHEN address ~ E'@([^@]*[.])?([.][^@]*)?$' THEN 'after the @, a dot must stand between other characters'
        WHEN address ~ E'@[^@]*[\\x20-\\x2c/\\x3a-\\x3f\\x5b-\\x5e`\\x7b-\\x7f][^@]*$'
            THEN 'after the @ are other characters than letters, digits, hyphens and dots'
        WHEN address ~ '@([^@]*[.])?-[^@]*$' OR address ~ '@[^@]*-([.][^@]*)?$'
            THEN 'a part of the domain begins or ends with a hyphen'
        WHEN octet_length(substring(address FROM '[^@]*$')) > 255 THEN 'its domain is longer than 255 octets'
        WHEN address ~ '@([^@]*[.])?[A-Za-z0-9_-]{64,}([.][^@]*)?$' THEN 'a part of the domain is longer than 63 octets'
    END
$$;

-- What was appended in this transaction, as one; NULL where nothing was.
CREATE FUNCTION gather() RETURNS bytea LANGUAGE sql SET search_path FROM CURRENT AS $$
    WITH mine AS (DELETE FROM piece WHERE piece.xact = pg_current_xact_id() RETURNING piece.id, piece.data)
    SELECT string_agg(mine.data, '' ORDER BY mine.id) FROM mine
$$;

-- A message is queued, with all that can be said of it. The content that is NULL is what was appended in this transaction.
-- One of the texts is given COLLATE "C", which is all of them's then: which lane is meant, and what is an address, is no
-- matter of the database's language, or of the collation of a column that an application takes it from.
CREATE FUNCTION put(
    uid bigint, sender text, sender_parameters text, recipients text[], parameters text[], content bytea, key text,
    lane text, not_before timestamptz
) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    new_id bigint;
    earlier bigint;
    fault text;
    one text;
    whole bytea := put.content;
    its_lane text := lower(coalesce(put.lane, ''));
    later boolean := coalesce(put.not_before > clock_timestamp(), false);
BEGIN
    IF put.sender IS NULL THEN
        RAISE EXCEPTION 'outbox: the sender is NULL' USING ERRCODE = '22004', HINT = 'The null sender of a report is ''''.';
    ELSIF put.sender <> '' AND address_fault(put.sender) IS NOT NULL THEN
        RAISE EXCEPTION 'outbox: the sender "%" is no address: %', left(put.sender, 100), address_fault(put.sender)
            USING ERRCODE = '22023';
    ELSIF coalesce(cardinality(put.recipients), 0) = 0 THEN
        RAISE EXCEPTION 'outbox: there is no recipient' USING ERRCODE = '22023';
    ELSIF octet_length(put.key) > 500 OR put.key = '' THEN
        RAISE EXCEPTION 'outbox: the key is empty or longer than 500 octets' USING ERRCODE = '22023';
    ELSIF coalesce(put.lane, '') !~ '^([A-Za-z0-9][A-Za-z0-9_.-]{0,31})?$' THEN
        RAISE EXCEPTION 'outbox: the lane "%" is no name of a lane', left(put.lane, 100) USING ERRCODE = '22023',
            HINT = 'It has up to 32 letters, digits, "_", "." and "-", a letter or digit first.';
    ELSIF cardinality(put.parameters) > 0 AND cardinality(put.parameters) <> cardinality(put.recipients) THEN
        RAISE EXCEPTION 'outbox: there are not as many parameters as recipients' USING ERRCODE = '22023';
    ELSIF put.sender_parameters ~ E'[^\\x20-\\x7e]' OR array_to_string(put.parameters, '') ~ E'[^\\x20-\\x7e]' THEN
        RAISE EXCEPTION 'outbox: a parameter has a character that is not printable ASCII' USING ERRCODE = '22023';
    ELSIF cardinality(put.recipients) > 20000 THEN
        RAISE EXCEPTION 'outbox: there are more than 20000 recipients' USING ERRCODE = '22023',
            HINT = 'Queue several messages.';
    ELSIF octet_length(put.sender_parameters) > 1000 THEN
        RAISE EXCEPTION 'outbox: parameters are longer than 1000 octets' USING ERRCODE = '22023';
    ELSIF put.not_before > clock_timestamp() + interval '3 years' THEN
        RAISE EXCEPTION 'outbox: the time not to be sent before is more than three years away' USING ERRCODE = '22023';
    ELSIF put.uid NOT BETWEEN 0 AND 4294967294 THEN
        RAISE EXCEPTION 'outbox: % is no number of a user', put.uid USING ERRCODE = '22023';
    END IF;
    FOREACH one IN ARRAY coalesce(put.parameters, '{}') LOOP
        IF octet_length(one) > 1000 THEN
            RAISE EXCEPTION 'outbox: parameters are longer than 1000 octets' USING ERRCODE = '22023';
        END IF;
    END LOOP;
    FOREACH one IN ARRAY put.recipients LOOP
        fault := address_fault(one);
        IF fault IS NOT NULL THEN
            RAISE EXCEPTION 'outbox: the recipient "%" is no address: %', left(one, 100), fault USING ERRCODE = '22023';
        END IF;
    END LOOP;
    IF whole IS NULL THEN
        whole := gather();
    END IF;
    IF whole IS NULL OR octet_length(whole) = 0 THEN
        RAISE EXCEPTION 'outbox: the message is empty' USING ERRCODE = '22023';
    END IF;

    new_id := nextval('message_id_seq');
    -- Who is just committing with that key is waited for. The key may be forgotten between the two statements.
    WHILE put.key IS NOT NULL LOOP
        INSERT INTO used_key (key, message) VALUES (put.key, new_id) ON CONFLICT DO NOTHING;
        EXIT WHEN FOUND;
        SELECT message INTO earlier FROM used_key WHERE role = session_user AND key = put.key AND NOT moved;
        IF FOUND THEN
            RETURN earlier;
        END IF;
    END LOOP;
    IF its_lane <> '' THEN
        PERFORM know_lane(its_lane);
    END IF;
    WITH kept AS (
        INSERT INTO message (id, uid, key, lane, sender, sender_parameters, recipients, since, content)
            OVERRIDING SYSTEM VALUE VALUES (new_id, put.uid, put.key, its_lane, put.sender, coalesce(put.sender_parameters, ''),
                cardinality(put.recipients), CASE WHEN later THEN put.not_before END, whole)
    ), addressed AS (
        INSERT INTO recipient (message, number, address, parameters)
            SELECT new_id, given.n - 1, given.address, coalesce(given.parameters, '')
            FROM unnest(put.recipients, put.parameters) WITH ORDINALITY AS given (address, parameters, n)
    )
    INSERT INTO ready (lane, message) SELECT its_lane, new_id WHERE NOT later;
    IF later THEN
        INSERT INTO deferred (message, lane, due, attempts) VALUES (new_id, its_lane, put.not_before, 0);
    ELSIF EXISTS (SELECT FROM daemon WHERE idle) THEN
        PERFORM ring();
    END IF;
    RETURN new_id;
END $$;

-- The functions that applications call are in PL/pgSQL, which keeps its plans for the session: one in SQL is planned anew
-- by each statement. What they call has no search_path of its own, for to set one for each call costs.
--
-- Queues a message: its id. It is delivered when the transaction commits, and never was when that rolls back. With a
-- `key`, a message that this role has queued with it in the last week, or that is still there, is not queued again, and
-- its id is what is returned.
CREATE FUNCTION queue(
    sender text, recipients text[], message bytea, key text DEFAULT NULL, lane text DEFAULT '',
    not_before timestamptz DEFAULT NULL
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    RETURN put(NULL, sender COLLATE "C", '', recipients, NULL, coalesce(message, ''), key, lane, not_before);
END $$;

-- The same for text, which goes as UTF-8.
CREATE FUNCTION queue(
    sender text, recipients text[], message text, key text DEFAULT NULL, lane text DEFAULT '',
    not_before timestamptz DEFAULT NULL
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    RETURN put(NULL, sender COLLATE "C", '', recipients, NULL, coalesce(convert_to(message, 'UTF8'), ''), key, lane,
        not_before);
END $$;

-- The next piece of a message that is too long to be handed over in one: submit() has the rest, in the same transaction.
CREATE FUNCTION append(piece bytea) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    INSERT INTO piece (data) VALUES (append.piece)
$$;

-- What programs of outbox queue: with the parameters of MAIL, and of RCPT, one for each recipient or none.
CREATE FUNCTION submit(
    sender text, sender_parameters text, recipients text[], parameters text[], message bytea, key text, lane text,
    not_before timestamptz
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    RETURN put(NULL, sender COLLATE "C", sender_parameters, recipients, parameters, message, key, lane, not_before);
END $$;

-- The same for who may say which user of its machine it was.
CREATE FUNCTION submit_as(
    uid bigint, sender text, sender_parameters text, recipients text[], parameters text[], message bytea, key text,
    lane text, not_before timestamptz
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    RETURN put(uid, sender COLLATE "C", sender_parameters, recipients, parameters, message, key, lane, not_before);
END $$;

-- How many messages of each user of a machine are there that have not been sent.
CREATE FUNCTION waiting() RETURNS TABLE (uid bigint, messages bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT m.uid, count(*) FROM message m WHERE m.uid IS NOT NULL
        AND NOT EXISTS (SELECT FROM ended e WHERE e.message = m.id AND e.state = 'sent') GROUP BY m.uid
$$;

-- Delivering -------------------------------------------------------------------------------------------------

-- A session keeps the plans of these functions, and may have made them when the tables were empty: so each has but one
-- way to go, from row to row by the index that is meant (`= ANY (ARRAY (...))` rather than a join; `daemon + 0` where
-- the index on `daemon` is not).

-- A daemon begins: its id. `lease` is how long what it holds is its own after it was heard of last.
CREATE FUNCTION daemon_begin(name text, lease interval) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    own bigint;
BEGIN
    PERFORM ring(); -- the others are to know how many there are
    LOOP
        INSERT INTO daemon (id, name, until) VALUES ((extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
            daemon_begin.name, clock_timestamp() + daemon_begin.lease) ON CONFLICT DO NOTHING RETURNING id INTO own;
        EXIT WHEN FOUND;
    END LOOP;
    RETURN own;
END $$;

-- It is alive, or `alive` is false: its lease has ended and others have what it held; it begins anew then, and writes
-- nothing. It is that one, from 0, of so many daemons, and `known` says whether the others have heard of it: each learns
-- with its own renewal how many there are. One that missed two of those is not waited for. Whose lease had ended, and
-- whom nobody has missed since, as after hours without a database, comes anew to the others all the same: it has begun
-- once this is committed, for until then another that is just coming does not see it.
CREATE FUNCTION daemon_renew(daemon bigint, lease interval, idle boolean, figures jsonb,
    OUT alive boolean, OUT place bigint, OUT daemons bigint, OUT known boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    had_ended boolean;
    began timestamptz;
BEGIN
    SELECT until <= clock_timestamp() INTO had_ended FROM daemon WHERE id = daemon_renew.daemon FOR NO KEY UPDATE;
    UPDATE daemon SET until = clock_timestamp() + daemon_renew.lease, idle = daemon_renew.idle,
        figures = daemon_renew.figures, renewed = clock_timestamp(),
        seen = CASE WHEN NOT had_ended THEN coalesce(seen, clock_timestamp()) END
        WHERE id = daemon_renew.daemon RETURNING seen INTO began;
    alive := FOUND;
    IF had_ended THEN
        PERFORM ring();
    END IF;
    SELECT count(*) FILTER (WHERE id < daemon_renew.daemon), count(*),
            count(*) FILTER (WHERE id <> daemon_renew.daemon AND renewed < began AND renewed > clock_timestamp() - interval '30 seconds') = 0
        INTO place, daemons, known FROM daemon WHERE until > clock_timestamp();
    known := known AND NOT had_ended;
END $$;

-- What waited for its turn at a daemon that is gone nobody else would ask for.
CREATE FUNCTION end_turns(daemon bigint) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    WITH waiting AS (SELECT message FROM deferred WHERE turn = end_turns.daemon FOR UPDATE SKIP LOCKED),
    gone AS (DELETE FROM deferred WHERE message = ANY (ARRAY (SELECT message FROM waiting)) RETURNING *)
    INSERT INTO ready (lane, message, attempts, first_attempt) SELECT lane, message, attempts, first_attempt FROM gone;
END $$;

-- What daemons held whose lease has ended is ready again, and these are gone: how many messages that were. Whoever is
-- just ending a message of theirs has its row locked, and keeps it. Pieces that are nobody's are forgotten, too.
CREATE FUNCTION reap() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    late daemon%ROWTYPE;
    moved bigint := 0;
    n bigint;
BEGIN
    FOR late IN SELECT * FROM daemon WHERE until < clock_timestamp() FOR UPDATE SKIP LOCKED LOOP
        WITH lost AS (DELETE FROM leased WHERE leased.daemon = late.id RETURNING *),
        noted AS (
            INSERT INTO record (message, line)
                SELECT message, jsonb_build_object('time', stamp(clock_timestamp()), 'event', 'recovered', 'from', late.name) FROM lost
        )
        INSERT INTO ready (lane, message, attempts, first_attempt) SELECT lane, message, attempts, first_attempt FROM lost;
        GET DIAGNOSTICS n = ROW_COUNT;
        moved := moved + n;
        UPDATE watch SET until = '-infinity' WHERE watch.daemon = late.id;
        DELETE FROM daemon WHERE id = late.id;
        PERFORM end_turns(late.id);
    END LOOP;
    DELETE FROM wish WHERE until < clock_timestamp() - interval '1 minute';
    -- Nor is one there of a transaction that is yet to come, but from a dump that was restored.
    DELETE FROM piece WHERE xact < pg_snapshot_xmin(pg_current_snapshot()) OR xact >= pg_snapshot_xmax(pg_current_snapshot());
    RETURN moved;
END $$;

-- Keys of more than a week ago, but for those of messages that are here.
CREATE FUNCTION forget_keys() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    DELETE FROM used_key WHERE at < statement_timestamp() - interval '7 days'
        AND NOT EXISTS (SELECT FROM message WHERE message.id = used_key.message)
$$;

-- A daemon ends in good order: what it still holds is ready at once.
CREATE FUNCTION daemon_end(daemon bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    WITH left_over AS (DELETE FROM leased WHERE leased.daemon = daemon_end.daemon RETURNING *)
    INSERT INTO ready (lane, message, attempts, first_attempt) SELECT lane, message, attempts, first_attempt FROM left_over;
    UPDATE watch SET until = '-infinity' WHERE watch.daemon = daemon_end.daemon;
    DELETE FROM daemon WHERE id = daemon_end.daemon;
    SELECT end_turns(daemon_end.daemon);
$$;

-- Those of a table that may have waited longest, and since when, from a message on. Ids are in the order of time, but for what
-- waits from a later time on: so it is one of the first few, or the first, among a thousand, that had no time to wait for.
CREATE FUNCTION oldest_in(place text, begun bigint) RETURNS TABLE (id bigint, since timestamptz) LANGUAGE plpgsql AS $$
DECLARE
    n int := 0;
    late boolean;       -- it had a time to wait for
    found_one boolean := false;
BEGIN
    FOR oldest_in.id IN
        (SELECT r.message FROM ready r WHERE place = 'ready' AND r.message >= begun ORDER BY r.message LIMIT 1000)
        UNION ALL
        (SELECT l.message FROM leased l WHERE place = 'leased' AND l.message >= begun ORDER BY l.message LIMIT 1000)
        UNION ALL
        (SELECT d.message FROM deferred d
            WHERE place = 'deferred' AND (d.attempts > 0 OR d.declined IS NOT NULL) AND d.message >= begun
            ORDER BY d.message LIMIT 1000)
    LOOP
        n := n + 1;
        SELECT coalesce(m.since, m.queued), m.since IS NOT NULL INTO oldest_in.since, late FROM message m WHERE m.id = oldest_in.id;
        CONTINUE WHEN NOT FOUND;
        IF NOT late AND NOT found_one OR n <= 20 AND oldest_in.since <= statement_timestamp() THEN
            RETURN NEXT;
        END IF;
        found_one := found_one OR NOT late;
        EXIT WHEN found_one AND n >= 20;
    END LOOP;
END $$;

-- Which message has waited longest, and for how many microseconds: asked by each daemon every so often, and told to one
-- of them, which is who asked first, as long as it goes on to ask. It is looked for from the message on that was found last, for
-- before it are dead rows alone, but for what has come back: that is seen by every tenth look, from the beginning.
CREATE FUNCTION oldest(daemon bigint, every interval, OUT watches boolean, OUT message bigint, OUT waited bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    begun bigint;
BEGIN
    UPDATE watch SET daemon = oldest.daemon, until = clock_timestamp() + 3 * oldest.every
        WHERE watch.daemon = oldest.daemon OR watch.until < clock_timestamp() RETURNING watch.message INTO begun;
    watches := FOUND;
    IF NOT watches THEN
        RETURN;
    END IF;
    IF random() < 0.1 THEN
        begun := 0;
    END IF;
    SELECT first.id, (extract(epoch FROM clock_timestamp() - first.since) * 1000000)::bigint
        INTO oldest.message, oldest.waited FROM (
            SELECT its.* FROM unnest('{ready,leased,deferred}'::text[]) AS place, oldest_in(place, begun) AS its
        ) AS first ORDER BY first.since LIMIT 1;
    UPDATE watch SET message = coalesce(oldest.message, 0) WHERE watch.daemon = oldest.daemon;
END $$;

-- What a daemon wants to find again.
CREATE FUNCTION keep(daemon bigint, text text) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    INSERT INTO kept (daemon, name, text) SELECT d.id, d.name, keep.text FROM daemon d WHERE d.id = keep.daemon
        ON CONFLICT (daemon) DO UPDATE SET text = excluded.text, at = excluded.at
$$;

-- It begins, and goes on with what one has left: one of its name, or whose name does not come again. What one has taken
-- over is no other's. Of one of its name whose lease has not ended it cannot tell at once whether that has been killed, or
-- runs beside it: `later` is true, until there was time for it to be heard of.
CREATE FUNCTION take_kept(daemon bigint, lease interval, OUT text text, OUT later boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    own daemon%ROWTYPE;
    found kept%ROWTYPE;
BEGIN
    SELECT * INTO own FROM daemon WHERE id = take_kept.daemon;
    SELECT k.text INTO take_kept.text FROM kept k WHERE k.daemon = own.id;
    IF FOUND THEN -- the answer was lost
        later := false;
        RETURN;
    END IF;
    DELETE FROM kept WHERE at < clock_timestamp() - interval '31 days';
    SELECT k.* INTO found FROM kept k LEFT JOIN daemon d ON d.id = k.daemon AND d.until > clock_timestamp()
        WHERE k.daemon <> own.id AND (d.id IS NULL OR k.name = own.name AND d.until - take_kept.lease < own.started)
        ORDER BY k.name = own.name DESC, d.id IS NULL DESC, k.at DESC LIMIT 1 FOR UPDATE OF k SKIP LOCKED;
    later := coalesce(found.daemon IN (SELECT id FROM daemon WHERE until > clock_timestamp())
        AND clock_timestamp() < own.started + take_kept.lease / 3, false);
    IF NOT later AND found.daemon IS NOT NULL THEN
        DELETE FROM kept WHERE daemon = found.daemon;
        PERFORM keep(own.id, found.text);
        take_kept.text := found.text;
    END IF;
END $$;

-- What others keep, and those who are gone: the whole of a rate is theirs as well.
CREATE FUNCTION kept_by_others(daemon bigint) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT coalesce(string_agg(text, '' ORDER BY at DESC), '') FROM (
        SELECT text, at FROM kept WHERE kept.daemon <> kept_by_others.daemon ORDER BY at DESC LIMIT 1000
    ) AS latest
$$;

-- What is due becomes ready: how many, and when the next is due. It is looked for from `since` on: what was due earlier
-- has been looked for, but for what a transaction wrote that was long under way; now and then it is '-infinity'. (`now`: what may
-- change within a statement, as clock_timestamp() does, is no bound of an index, and all that waits would be read.)
CREATE FUNCTION ripen(since timestamptz, most int, OUT ripe bigint, OUT next timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
#variable_conflict use_column
DECLARE
    now timestamptz := clock_timestamp();
BEGIN
    WITH due AS (
        SELECT message FROM deferred WHERE deferred.due BETWEEN ripen.since AND now ORDER BY deferred.due LIMIT ripen.most
        FOR UPDATE SKIP LOCKED
    ), gone AS (DELETE FROM deferred WHERE message = ANY (ARRAY (SELECT message FROM due)) RETURNING *)
    INSERT INTO ready (lane, message, attempts, first_attempt) SELECT lane, message, attempts, first_attempt FROM gone;
    GET DIAGNOSTICS ripe = ROW_COUNT;
    SELECT min(due) INTO ripen.next FROM deferred WHERE due >= ripen.since;
END $$;

-- Messages to deliver, which are this daemon's from then on, and the snapshot in which they were looked for (a row of
-- its own, always, whose message is NULL). They are looked for behind `after`, and among those of the transactions in
-- `late`: whoever claims remembers which transactions ran when it passed them, and asks for them when they have ended.
-- So a row is read twice by nobody, and what dead versions stand before it costs nothing. Nothing is claimed by a daemon
-- whose lease has ended.
--
-- It is planned once in a session, and for no values in particular: to plan for some is to look where `ready` begins, among
-- all the dead versions that a long transaction keeps.
CREATE FUNCTION claim(
    daemon bigint, lane text, after xid8, after_message bigint, late xid8[], most int
) RETURNS TABLE (message bigint, arrived xid8, attempts int, first_attempt timestamptz, seen pg_snapshot)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY WITH seen AS MATERIALIZED (SELECT pg_current_snapshot() AS seen),
    alive AS MATERIALIZED (
        SELECT id FROM daemon WHERE id = claim.daemon AND until > clock_timestamp() FOR KEY SHARE
    ),
    overtaken AS MATERIALIZED (
        SELECT its.at FROM unnest(claim.late) AS ended (xact) CROSS JOIN LATERAL (
            SELECT ready.ctid AS at FROM ready WHERE ready.lane = claim.lane AND ready.arrived = ended.xact
            FOR UPDATE SKIP LOCKED
        ) AS its LIMIT claim.most
    ),
    following AS MATERIALIZED (
        SELECT ready.ctid AS at FROM ready
        WHERE ready.lane = claim.lane AND (ready.arrived, ready.message) > (claim.after, claim.after_message)
        ORDER BY ready.lane, ready.arrived, ready.message
        LIMIT claim.most - (SELECT count(*) FROM overtaken) FOR UPDATE SKIP LOCKED
    ),
    taken AS (
        -- The daemon's row is locked where there is something to take alone, for to lock it is to write: CASE keeps
        -- the planner from asking that first.
        DELETE FROM ready WHERE ctid = ANY (ARRAY (
            SELECT at FROM (TABLE overtaken UNION ALL TABLE following) AS found
            WHERE CASE WHEN at IS NOT NULL THEN EXISTS (SELECT FROM alive) END))
        RETURNING ready.*
    ),
    held AS (
        INSERT INTO leased (message, daemon, lane, attempts, first_attempt, declined)
            SELECT taken.message, claim.daemon, taken.lane, taken.attempts, taken.first_attempt, taken.declined FROM taken
    )
    SELECT taken.message, taken.arrived, taken.attempts, taken.first_attempt, NULL FROM taken
    UNION ALL SELECT NULL, NULL, NULL, NULL, seen.seen FROM seen;
END $$;

-- Those of these lanes from which claim() would take something, by where it goes on in each and the transactions that were
-- overtaken in it, '{12,15}': so that who has nothing to do does not ask once for each name. And the snapshot in which they
-- were looked into (a row of its own, always, whose lane is NULL). What another has locked is found, too.
CREATE FUNCTION look(lanes text[], after xid8[], after_message bigint[], late text[]) RETURNS TABLE (lane text, seen pg_snapshot)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT asked.lane, NULL::pg_snapshot
        FROM unnest(look.lanes, look.after, look.after_message, look.late) AS asked (lane, after, message, late)
            LEFT JOIN LATERAL (
                SELECT true AS found FROM ready
                WHERE ready.lane = asked.lane AND (ready.arrived, ready.message) > (asked.after, asked.message)
                ORDER BY ready.lane, ready.arrived, ready.message LIMIT 1
            ) AS following ON true
            LEFT JOIN LATERAL (
                SELECT true AS found FROM unnest(asked.late::xid8[]) AS ended (xact) CROSS JOIN LATERAL (
                    SELECT FROM ready WHERE ready.lane = asked.lane AND ready.arrived = ended.xact LIMIT 1
                ) AS its LIMIT 1
            ) AS overtaken ON true
        WHERE following.found OR overtaken.found
        UNION ALL SELECT NULL, pg_current_snapshot();
END $$;

-- Whether the daemon holds the message: its row is locked, so that nobody takes it away while this transaction writes.
CREATE FUNCTION holds(daemon bigint, message bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM leased WHERE leased.message = holds.message AND leased.daemon + 0 = holds.daemon FOR UPDATE;
    RETURN FOUND;
END $$;

-- Takes a message back that nobody has claimed since it was taken from a daemon.
CREATE FUNCTION take_back(daemon bigint, message bigint) RETURNS void LANGUAGE sql SET search_path FROM CURRENT AS $$
    WITH found AS (DELETE FROM ready WHERE ready.message = take_back.message RETURNING *)
    INSERT INTO leased (message, daemon, lane, attempts, first_attempt)
        SELECT message, take_back.daemon, lane, attempts, first_attempt FROM found
$$;

-- What became of recipients, by their numbers, and lines of the record. False when the daemon does not hold the message:
-- nothing is written then.
CREATE FUNCTION note(daemon bigint, message bigint, lines jsonb[], delivered int[], refused int[]) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT holds(note.daemon, note.message) THEN
        RETURN false;
    END IF;
    INSERT INTO record (message, line) SELECT note.message, line FROM unnest(note.lines) AS given (line);
    UPDATE recipient SET outcome = CASE WHEN number = ANY (note.delivered) THEN 'delivered' ELSE 'refused' END
        WHERE recipient.message = note.message AND number = ANY (note.delivered || note.refused);
    RETURN true;
END $$;

-- Those that are sent, and of which nothing stays: which of them the daemon held.
CREATE FUNCTION settle_sent(daemon bigint, messages bigint[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    settled bigint[];
BEGIN
    WITH mine AS (
        DELETE FROM leased WHERE leased.message = ANY (settle_sent.messages) AND leased.daemon + 0 = settle_sent.daemon
        RETURNING leased.message
    ), gone AS (DELETE FROM message WHERE id = ANY (ARRAY (SELECT mine.message FROM mine)))
    SELECT coalesce(array_agg(mine.message), '{}') INTO settled FROM mine;
    RETURN settled;
END $$;

-- The end of a message, or of an attempt: 'sent' (and nothing of it stays, unless `keep`), 'failed', 'deferred' until
-- `due`, or 'returned', with nothing held against it; `declined` by this daemon, which has no relay for it until `due`,
-- or, where that is false, has one and no room, or could not read it. False as above.
CREATE FUNCTION settle(
    daemon bigint, message bigint, state text, lines jsonb[] DEFAULT '{}', delivered int[] DEFAULT '{}',
    refused int[] DEFAULT '{}', keep boolean DEFAULT false, attempts int DEFAULT NULL,
    first_attempt timestamptz DEFAULT NULL, due timestamptz DEFAULT NULL, error int DEFAULT NULL, text text DEFAULT NULL,
    declined boolean DEFAULT NULL
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    was leased%ROWTYPE;
BEGIN
    IF settle.state NOT IN ('sent', 'failed', 'deferred', 'returned') THEN
        RAISE EXCEPTION 'outbox: "%" is no end of a message', settle.state USING ERRCODE = '22023';
    END IF;
    IF settle.state = 'sent' AND NOT settle.keep THEN
        RETURN settle_sent(settle.daemon, ARRAY[settle.message]) <> '{}';
    ELSIF NOT note(settle.daemon, settle.message, settle.lines, settle.delivered, settle.refused) THEN
        RETURN false;
    END IF;
    DELETE FROM leased WHERE leased.message = settle.message RETURNING * INTO was;
    CASE
        WHEN settle.state IN ('sent', 'failed') THEN
            INSERT INTO ended (message, state, error, text)
                VALUES (settle.message, settle.state, settle.error, settle.text);
        WHEN settle.state = 'deferred' THEN
            INSERT INTO deferred (message, lane, due, attempts, first_attempt, declined, turn) VALUES (settle.message, was.lane,
                settle.due, coalesce(settle.attempts, was.attempts), coalesce(settle.first_attempt, was.first_attempt),
                CASE settle.declined WHEN true THEN array_remove(was.declined, settle.daemon) || settle.daemon WHEN false THEN '{}' END,
                CASE WHEN NOT settle.declined THEN settle.daemon END);
        ELSE
            INSERT INTO ready (lane, message, attempts, first_attempt) VALUES (was.lane, settle.message,
                coalesce(settle.attempts, was.attempts), coalesce(settle.first_attempt, was.first_attempt));
    END CASE;
    RETURN true;
END $$;

-- What is written of one of them (the members: write(), below).
CREATE TYPE written AS (message bigint, written boolean, code text, words text, told bigint);

CREATE FUNCTION write_one(daemon bigint, one jsonb) RETURNS written LANGUAGE plpgsql AS $$
DECLARE
    answer written;
    lines jsonb[] := ARRAY (SELECT value FROM jsonb_array_elements(one->'lines'));
    delivered int[] := ARRAY (SELECT value::int FROM jsonb_array_elements_text(one->'delivered'));
    refused int[] := ARRAY (SELECT value::int FROM jsonb_array_elements_text(one->'refused'));
BEGIN
    answer.message := (one->>'message')::bigint;
    IF one ? 'again' THEN
        PERFORM take_back(write_one.daemon, answer.message);
    END IF;
    IF one->>'state' = 'noted' THEN
        answer.written := note(write_one.daemon, answer.message, lines, delivered, refused);
    ELSE
        answer.written := settle(write_one.daemon, answer.message, one->>'state', lines, delivered, refused,
            coalesce((one->>'keep')::boolean, false), (one->>'attempts')::int,
            to_timestamp((one->>'first_attempt')::bigint / 1e6), to_timestamp((one->>'due')::bigint / 1e6),
            (one->>'error')::int, one->>'text', (one->>'declined')::boolean);
    END IF;
    IF answer.written AND one ? 'notice' THEN
        BEGIN
            answer.told := put(NULL, '', '', ARRAY[one->>'notice_to'], NULL, decode(one->>'notice', 'base64'), NULL, '', NULL);
        EXCEPTION WHEN data_exception THEN
            answer.words := SQLERRM;
        END;
    END IF;
    RETURN answer;
END $$;

-- All of them, or none where one fails.
CREATE FUNCTION write_all(daemon bigint, ends jsonb) RETURNS written[] LANGUAGE plpgsql AS $$
DECLARE
    one jsonb;
    sent bigint[] := '{}';
    answers written[] := '{}';
BEGIN
    FOR one IN SELECT value FROM jsonb_array_elements(write_all.ends) LOOP
        IF one->>'state' = 'sent' AND NOT one ?| '{keep,notice,again}' THEN
            sent := sent || (one->>'message')::bigint;
        ELSE
            answers := answers || write_one(write_all.daemon, one);
        END IF;
    END LOOP;
    IF sent = '{}' THEN
        RETURN answers;
    END IF;
    WITH settled AS MATERIALIZED (SELECT settle_sent(write_all.daemon, sent) AS messages)
    SELECT answers || array_agg(ROW (id, id = ANY (settled.messages), NULL, NULL, NULL)::written) INTO answers
        FROM unnest(sent) AS id, settled;
    RETURN answers;
END $$;

-- What a daemon writes of many messages in one round trip: for each a line {"message", "state", "lines", "delivered",
-- "refused", "keep", "attempts", "first_attempt", "due", "error", "text", "again"}, the times in microseconds, the state
-- one of settle()'s, or 'noted'. For each a row: whether it was written, or what failed; the others are written all the
-- same. With "notice", a message in base64, "notice_to" is told of the end by that: `told` is its id, or `words` say why
-- there is none. With "again", a message that was taken from this daemon and has been given to no other since is its own once
-- more: what it knows of its recipients is not lost.
--
-- They are written all together, and each on its own only where that fails: a transaction within for each would be a
-- number of a transaction for each, and more than 64 of them make everybody else's snapshots slow.
CREATE FUNCTION write(daemon bigint, ends jsonb) RETURNS SETOF written
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    one jsonb;
    answers written[];
BEGIN
    BEGIN
        answers := write_all(write.daemon, write.ends);
    EXCEPTION WHEN OTHERS THEN
        FOR one IN SELECT value FROM jsonb_array_elements(write.ends) LOOP
            BEGIN
                answers := answers || write_all(write.daemon, jsonb_build_array(one));
            EXCEPTION WHEN OTHERS THEN
                answers := answers || ROW ((one->>'message')::bigint, false, SQLSTATE, SQLERRM, NULL)::written;
            END;
        END LOOP;
    END;
    RETURN QUERY SELECT * FROM unnest(answers);
END $$;

-- Messages that were put off are ready at once, as when the relay that they waited for is there again. Those that were tried
-- since wait for their time.
CREATE FUNCTION bring(messages bigint[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT SET enable_seqscan = off SET enable_bitmapscan = off AS $$
    WITH waiting AS (
        SELECT message FROM deferred WHERE message = ANY (bring.messages) AND declined IS NOT NULL FOR UPDATE SKIP LOCKED
    ), found AS (DELETE FROM deferred WHERE message = ANY (ARRAY (SELECT message FROM waiting)) RETURNING *)
    INSERT INTO ready (lane, message, attempts, first_attempt) SELECT lane, message, attempts, first_attempt FROM found
$$;

-- What other daemons have declined is ready, for this one to claim: how many. A thousand are looked at, behind `after`, and
-- `next` is where to go on, from 0 at the end. Whoever claims one and cannot send it either declines it then, so a daemon is
-- to ask for no more than it claims, and for none of those lanes in which it may send nothing (`closed`).
CREATE FUNCTION offer(daemon bigint, after bigint, most int, closed text[], OUT offered bigint, OUT next bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
#variable_conflict use_column
BEGIN
    WITH seen AS MATERIALIZED (
        SELECT message, lane, declined FROM deferred WHERE declined <> '{}' AND message > offer.after ORDER BY message LIMIT 1000
    ), free AS (
        SELECT message FROM deferred WHERE message = ANY (ARRAY (
                SELECT message FROM seen WHERE offer.daemon <> ALL (declined) AND lane <> ALL (offer.closed)
                LIMIT offer.most))
            AND declined <> '{}' FOR UPDATE SKIP LOCKED
    ), gone AS (DELETE FROM deferred WHERE message = ANY (ARRAY (SELECT message FROM free)) RETURNING *), put AS (
        INSERT INTO ready (lane, message, attempts, first_attempt, declined)
            SELECT lane, message, attempts, first_attempt, declined FROM gone RETURNING message
    )
    SELECT (SELECT count(*) FROM put), CASE count(*) WHEN 1000 THEN max(message) ELSE 0 END INTO offered, next FROM seen;
END $$;

-- All that was tried and waits for its next attempt, or was declined, is ready at once: how many, `most` of them in one go.
CREATE FUNCTION flush(most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    n bigint;
BEGIN
    WITH waiting AS (
        SELECT deferred.message FROM deferred WHERE deferred.attempts > 0 OR deferred.declined IS NOT NULL
            LIMIT flush.most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM deferred WHERE deferred.message = ANY (ARRAY (SELECT waiting.message FROM waiting)) RETURNING deferred.*
    )
    INSERT INTO ready (lane, message, attempts, first_attempt)
        SELECT gone.lane, gone.message, gone.attempts, gone.first_attempt FROM gone;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;

-- What a daemon holds and does not know of, for the answer to its claim was lost, is ready again: how many.
CREATE FUNCTION keep_only(daemon bigint, messages bigint[]) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT SET enable_seqscan = off SET enable_bitmapscan = off AS $$
    WITH unknown AS (
        DELETE FROM leased WHERE leased.daemon = keep_only.daemon AND leased.message <> ALL (keep_only.messages) RETURNING *
    ), moved AS (
        INSERT INTO ready (lane, message, attempts, first_attempt, declined)
            SELECT lane, message, attempts, first_attempt, declined FROM unknown RETURNING message
    )
    SELECT count(*) FROM moved
$$;

-- What somebody waits for of what the daemon holds.
CREATE FUNCTION wishes(daemon bigint) RETURNS SETOF bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT message FROM wish WHERE wish.daemon = wishes.daemon AND NOT granted AND until > statement_timestamp()
$$;

-- The daemon does not send these, and knows nothing of them any more: what somebody waits for is done to them, and the others
-- are ready again.
CREATE FUNCTION let_go(daemon bigint, messages bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM wish WHERE message = ANY (let_go.messages) ORDER BY message FOR UPDATE;
    WITH back AS (
        DELETE FROM leased WHERE message = ANY (let_go.messages) AND leased.daemon + 0 = let_go.daemon RETURNING *
    ),
    granted AS (
        UPDATE wish SET granted = true WHERE message = ANY (ARRAY (SELECT message FROM back)) AND until > clock_timestamp()
            RETURNING message, action
    ),
    held AS (
        INSERT INTO aside (message, lane, attempts, first_attempt)
            SELECT message, lane, attempts, first_attempt FROM back JOIN granted USING (message) WHERE action = 'hold'
    ),
    deleted AS (DELETE FROM message WHERE id = ANY (ARRAY (SELECT message FROM granted WHERE action = 'delete')))
    INSERT INTO ready (lane, message, attempts, first_attempt, declined)
        SELECT lane, message, attempts, first_attempt, declined FROM back WHERE message <> ALL (ARRAY (SELECT message FROM granted));
END $$;

-- These have been on their way to a relay for longer than a moment.
CREATE FUNCTION sending(daemon bigint, messages bigint[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT SET enable_seqscan = off SET enable_bitmapscan = off AS $$
    UPDATE leased SET sending = true WHERE message = ANY (sending.messages) AND leased.daemon + 0 = sending.daemon
$$;

-- What a daemon has to know of messages that it holds: the envelope, and the content where that is no longer than
-- `whole`. Times are in microseconds. A recipient is [number, address, parameters, outcome]. The record is what it says
-- last of each recipient, a line each, since the message was given up the last time; and whether somebody was told then
-- that it waits. Of messages that would be more than `most` octets together, by what their recipients may be at worst, it
-- has the first; of the others `queued` is NULL. A recipient is four texts or NULL in an array, which is made in half the
-- time of a JSON of its own.
CREATE FUNCTION read(daemon bigint, messages bigint[], whole int, most bigint)
RETURNS TABLE (message bigint, queued bigint, uid bigint, lane text, sender text, sender_parameters text,
    recipients text, attempts int, first_attempt bigint, size int, content bytea, record text, warned boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT held.id, CASE WHEN fits THEN (extract(epoch FROM held.queued) * 1000000)::bigint END,
        held.uid, held.lane, held.sender, held.sender_parameters,
        CASE WHEN fits THEN array_to_json(ARRAY (
            SELECT ARRAY[number::text, address, parameters, outcome] FROM recipient
            WHERE recipient.message = held.id ORDER BY recipient.message, number
        ))::text END,
        held.attempts, (extract(epoch FROM held.first_attempt) * 1000000)::bigint,
        octet_length(held.content),
        CASE WHEN fits AND octet_length(held.content) <= read.whole THEN held.content END,
        CASE WHEN life.lines > 0 THEN (SELECT string_agg(last.line::text, E'\n') FROM (
            SELECT DISTINCT ON (r.line->>'recipient') r.line FROM record r
            WHERE r.message = held.id AND r.id > life.began AND r.line ? 'recipient'
            ORDER BY r.line->>'recipient', r.id DESC
        ) AS last) END,
        life.warned > life.began
    FROM (
        SELECT sized.*, sum(octets) OVER (ORDER BY n) - octets < read.most AS fits
        FROM (
            SELECT asked.id, asked.n, l.attempts, l.first_attempt, m.*,
                least(octet_length(m.content), read.whole) + 3000::bigint * m.recipients AS octets
            FROM unnest(read.messages) WITH ORDINALITY AS asked (id, n)
                CROSS JOIN LATERAL (
                    SELECT l.attempts, l.first_attempt FROM leased l
                    WHERE l.message = asked.id AND l.daemon + 0 = read.daemon OFFSET 0
                ) AS l
                CROSS JOIN LATERAL (
                    SELECT m.queued, m.uid, m.lane, m.sender, m.sender_parameters, m.recipients, m.content
                    FROM message m WHERE m.id = asked.id OFFSET 0
                ) AS m
        ) AS sized
    ) AS held
        LEFT JOIN LATERAL (
            SELECT count(*) AS lines,
                coalesce(max(r.id) FILTER (WHERE r.line->>'event' = 'failed'), 0) AS began,
                coalesce(max(r.id) FILTER (WHERE r.line->>'event' = 'warned'), 0) AS warned
            FROM record r WHERE r.message = held.id AND held.fits
        ) AS life ON true;
END $$;

-- A piece of the content, from 0; shorter at its end.
CREATE FUNCTION content(message bigint, start int, length int) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT substring(message.content FROM content.start + 1 FOR content.length) FROM message
    WHERE id = content.message
$$;

-- Looking and changing ---------------------------------------------------------------------------------------

-- A time as lines of the record have it.
CREATE FUNCTION stamp(at timestamptz) RETURNS text LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- Where each message is, in the words of the queue directory. What has a time to begin with is queued until it is tried, and
-- what a daemon has claimed until it is sent.
CREATE VIEW place AS
    SELECT message, 'queued' AS state, attempts, NULL::timestamptz AS next, NULL AS text, NULL::timestamptz AS declined FROM ready
    UNION ALL
    SELECT message, CASE attempts WHEN 0 THEN 'queued' ELSE 'deferred' END, attempts,
        CASE WHEN declined IS NULL THEN due END, NULL, CASE WHEN declined <> '{}' THEN due END FROM deferred
    UNION ALL
    SELECT message, CASE WHEN sending THEN 'sending' ELSE 'queued' END, attempts, NULL, NULL, NULL FROM leased
    UNION ALL
    SELECT message, 'held', attempts, NULL, 'it is being moved: ' || mover, NULL FROM aside
    UNION ALL
    SELECT message, state, NULL, NULL, text, NULL FROM ended;

-- What the record says last of why a message was not delivered, the codes in front; and of the relay that had it.
CREATE FUNCTION reason(message bigint) RETURNS text LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT concat_ws(' ', nullif(line->>'code', '0'), nullif(line->>'enhanced', ''), line->>'text') FROM record
    WHERE record.message = reason.message AND line ? 'text' AND line->>'event' <> 'delivered' ORDER BY id DESC LIMIT 1
$$;
CREATE FUNCTION last_of(message bigint, member text) RETURNS text LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT line->>member FROM record WHERE record.message = last_of.message AND line ? member ORDER BY id DESC LIMIT 1
$$;

-- Messages that are as asked for; what is NULL is not. They come in the order of their ids, behind `after`, or are
-- sorted by 'age', 'size', 'tries', 'next', 'sender' or 'state'. `names`: id and state are all that is told of them.
CREATE FUNCTION list(
    ids bigint[], states text[], owner bigint, older interval, by text, to_whom text, why text, through text,
    after bigint, sort text, reverse boolean, most bigint, names boolean
) RETURNS TABLE (
    id bigint, state text, uid bigint, bytes bigint, queued timestamptz, next timestamptz, attempts int, sender text,
    recipients text[], delivered bigint, text text, relay text, role text, lane text, declined timestamptz
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    direction text := CASE WHEN reverse THEN ' DESC' ELSE '' END;
    opposite text := CASE WHEN reverse THEN '' ELSE ' DESC' END;
    ordered text := CASE sort
        WHEN 'age' THEN 'p.message' || direction  -- ids are in the order of time
        WHEN 'size' THEN 'octet_length(m.content)' || opposite || ', p.message'
        WHEN 'tries' THEN 'coalesce(p.attempts, 0)' || opposite || ', p.message'
        WHEN 'next' THEN 'p.next' || direction || CASE WHEN reverse THEN ' NULLS LAST' ELSE ' NULLS FIRST' END || ', p.message'
        WHEN 'sender' THEN 'lower(m.sender)' || direction || ', p.message'
        WHEN 'state' THEN
            'array_position(''{queued,sending,sent,failed,deferred,held}'', p.state)' || direction || ', p.message'
        ELSE 'p.message' || direction
    END;
    chosen text := 'SELECT p.* FROM place p'
        || CASE WHEN owner IS NOT NULL OR older IS NOT NULL OR by IS NOT NULL OR sort IN ('size', 'sender')
            THEN ' JOIN message m ON m.id = p.message' ELSE '' END
        || ' WHERE p.message > $9'
        || CASE WHEN ids IS NULL THEN '' ELSE ' AND p.message = ANY ($1)' END
        || CASE WHEN states IS NULL THEN '' ELSE ' AND p.state = ANY ($2)' END
        || CASE WHEN owner IS NULL THEN '' ELSE ' AND m.uid = $3' END
        || CASE WHEN older IS NULL THEN '' ELSE ' AND m.queued <= clock_timestamp() - $4' END
        || CASE WHEN by IS NULL THEN '' ELSE ' AND strpos(lower(m.sender), lower($5)) > 0' END
        || CASE WHEN to_whom IS NULL THEN '' ELSE ' AND EXISTS (SELECT FROM recipient r WHERE r.message = p.message'
            ' AND strpos(lower(r.address), lower($6)) > 0)' END
        || CASE WHEN why IS NULL THEN '' ELSE
            ' AND strpos(lower(coalesce(reason(p.message), p.text)), lower($7)) > 0' END
        || CASE WHEN through IS NULL THEN '' ELSE ' AND last_of(p.message, ''relay'') = $8' END
        || ' ORDER BY ' || ordered || ' LIMIT $10';
BEGIN
    IF names THEN
        chosen := 'SELECT p.message, p.state, NULL::bigint, NULL::bigint, NULL::timestamptz, NULL::timestamptz,'
            ' NULL::int, NULL, NULL::text[], NULL::bigint, NULL, NULL, NULL, NULL, NULL::timestamptz FROM (' || chosen || ') AS p';
    ELSE
        chosen := 'WITH p AS MATERIALIZED (SELECT *, row_number() OVER () AS rank FROM (' || chosen || ') AS chosen)'
            ' SELECT p.message, p.state, m.uid, octet_length(m.content)::bigint, m.queued, p.next,'
            ' coalesce(p.attempts, last_of(p.message, ''attempt'')::int, 0), m.sender, sent_to.addresses,'
            ' sent_to.delivered, coalesce(reason(p.message), p.text), last_of(p.message, ''relay''), m.role::text,'
            ' nullif(m.lane, ''''), p.declined'
            ' FROM p JOIN message m ON m.id = p.message CROSS JOIN LATERAL ('
                'SELECT array_agg(r.address ORDER BY r.number) AS addresses,'
                ' count(*) FILTER (WHERE r.outcome = ''delivered'') AS delivered'
                ' FROM recipient r WHERE r.message = p.message) AS sent_to ORDER BY p.rank';
    END IF;
    RETURN QUERY EXECUTE chosen USING ids, states, owner, older, by, to_whom, why, through, after, most;
END $$;

-- The lines of a message's record, in order.
CREATE FUNCTION record_of(message bigint) RETURNS SETOF jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT line FROM record WHERE record.message = record_of.message ORDER BY id
$$;

-- What is said beside the content of a message: a row for each recipient.
CREATE FUNCTION envelope_of(message bigint) RETURNS TABLE (
    bytes bigint, lane text, not_before timestamptz, sender text, sender_parameters text, address text,
    parameters text, outcome text
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT octet_length(m.content), m.lane,
        coalesce((SELECT due FROM deferred d WHERE d.message = m.id AND d.attempts = 0 AND d.declined IS NULL),
            (SELECT a.not_before FROM aside a WHERE a.message = m.id AND a.attempts = 0)),
        m.sender, m.sender_parameters, r.address, r.parameters, r.outcome
    FROM message m JOIN recipient r ON r.message = m.id WHERE m.id = envelope_of.message ORDER BY r.number
$$;

-- Of each state: how many messages, their bytes, since when the one is there that is for longest, and when the first is
-- due. Of many messages the bytes are those of some of them, multiplied. The row without a state is of what waits to be
-- delivered, and not for a time to begin with.
CREATE FUNCTION figures() RETURNS TABLE (state text, messages bigint, bytes bigint, oldest timestamptz, next timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    WITH part AS MATERIALIZED (
        SELECT 'queued' AS state, true AS waits, count(*) AS n, min(message) AS first, NULL::timestamptz AS next FROM ready
        UNION ALL
        SELECT CASE WHEN tried THEN 'deferred' ELSE 'queued' END, tried OR offered, n, first, due FROM (
            SELECT attempts > 0 AS tried, declined IS NOT NULL AS offered, count(*) AS n, min(message) AS first,
                min(due) FILTER (WHERE attempts > 0 AND declined IS NULL) AS due
            FROM deferred GROUP BY 1, 2
        ) AS each
        UNION ALL
        SELECT CASE WHEN sending THEN 'sending' ELSE 'queued' END, true, count(*), min(message), NULL FROM leased GROUP BY 1
        UNION ALL
        SELECT 'held', false, count(*), min(message), NULL FROM aside
        UNION ALL
        SELECT ended.state, false, count(*), min(message), NULL FROM ended GROUP BY ended.state
    ), whole AS MATERIALIZED (
        SELECT state, sum(n) AS n, min(first) AS first, min(next) AS next FROM part GROUP BY state
    )
    SELECT w.state, w.n::bigint, round(w.n * sample.average)::bigint, m.queued, w.next
    FROM whole w LEFT JOIN message m ON m.id = w.first CROSS JOIN LATERAL (
        SELECT coalesce(avg(octet_length(m.content)), 0) AS average FROM (
            (SELECT p.message FROM place p WHERE p.state = w.state ORDER BY p.message LIMIT 1000)
            UNION
            (SELECT p.message FROM place p WHERE p.state = w.state ORDER BY p.message DESC LIMIT 1000)
        ) AS sampled JOIN message m ON m.id = sampled.message
    ) AS sample
    UNION ALL
    SELECT NULL, 0, 0, (SELECT queued FROM message WHERE id = (SELECT min(first) FROM part WHERE waits)), NULL
$$;

-- What a daemon says of its lanes, with what waits in each besides what it has claimed: in the one without a name all that
-- is in no other.
CREATE FUNCTION lanes_of(figures jsonb) RETURNS jsonb LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    WITH said AS MATERIALIZED (
        SELECT lane, n, lower(lane->>'name') AS name FROM jsonb_array_elements(lanes_of.figures->'lanes') WITH ORDINALITY AS all_of (lane, n)
    ), waiting AS MATERIALIZED (
        SELECT said.name, sum(each.n) AS n FROM (
            SELECT lane, count(*) AS n FROM ready GROUP BY lane
            UNION ALL SELECT lane, count(*) FROM deferred WHERE declined IS NOT NULL GROUP BY lane
        ) AS each LEFT JOIN said ON said.name = each.lane GROUP BY said.name
    )
    SELECT jsonb_set(lanes_of.figures, '{lanes}', jsonb_agg(
        lane || jsonb_build_object('waiting', (lane->>'waiting')::bigint + coalesce(waiting.n, 0)) ORDER BY said.n))
    FROM said LEFT JOIN waiting ON waiting.name IS NOT DISTINCT FROM said.name
$$;

-- The daemons, those too whose lease has ended, and how many messages each holds. What nobody has claimed is counted once, and
-- told with the first of them, of those that live if there are any: a sum over all daemons is what waits.
CREATE FUNCTION daemons() RETURNS TABLE (
    id bigint, name text, role text, started timestamptz, until timestamptz, alive boolean, holds bigint, figures jsonb
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT d.id, d.name, d.role::text, d.started, d.until, d.until > clock_timestamp(),
        (SELECT count(*) FROM leased l WHERE l.daemon = d.id),
        CASE WHEN d.id = (
            SELECT one.id FROM daemon one WHERE jsonb_array_length(one.figures->'lanes') > 0
            ORDER BY one.until > clock_timestamp() DESC, one.id LIMIT 1
        ) THEN lanes_of(d.figures) ELSE d.figures END
    FROM daemon d ORDER BY d.id
$$;

-- Asks daemons for what they have claimed, and wakes them.
CREATE FUNCTION ask_for(action text, messages bigint[], owner bigint) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    new boolean;
BEGIN
    WITH asked AS (
        INSERT INTO wish (message, daemon, action, owner, until)
            SELECT message, daemon, ask_for.action, ask_for.owner, clock_timestamp() + interval '2 seconds' FROM leased
            WHERE message = ANY (ask_for.messages) ORDER BY message
            ON CONFLICT (message) DO UPDATE SET daemon = excluded.daemon, action = excluded.action, owner = excluded.owner,
                until = excluded.until WHERE NOT wish.granted
            RETURNING xmax = 0 AS new
    ) SELECT coalesce(bool_or(asked.new), false) INTO new FROM asked;
    IF new AND may_notify() THEN
        PERFORM pg_notify('outbox', '');
    END IF;
END $$;

-- 'retry' (deferred, failed: queued anew), 'hold' (queued, deferred), 'release' (held) or 'delete' (all but what is being
-- sent), of those that `owner` has queued where that is given. Of each of `ids`: 'done', the state that it is in, which does
-- not allow it or is where it has come meanwhile, 'moving', or 'gone'. To hold or to delete what a daemon has claimed is
-- asked of that one: 'sending' or 'claimed' is what it is until then, and whoever goes on to call this within two seconds is
-- told what became of it.
CREATE FUNCTION change(action text, ids bigint[], owner bigint DEFAULT NULL) RETURNS TABLE (message bigint, result text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    wanted bigint[] := ARRAY (SELECT id FROM message WHERE id = ANY (change.ids)
        AND (change.owner IS NULL OR uid = change.owner));
    done bigint[];
BEGIN
    PERFORM reap();
    IF change.action = 'retry' THEN
        WITH waited AS (DELETE FROM deferred WHERE message = ANY (wanted) RETURNING message, attempts),
        given_up AS (DELETE FROM ended WHERE message = ANY (wanted) AND state = 'failed' RETURNING message),
        noted AS (
            INSERT INTO record (message, line) SELECT message,
                jsonb_build_object('time', stamp(clock_timestamp()), 'event', 'queued') FROM waited WHERE attempts > 0
        ),
        cleared AS (
            UPDATE recipient SET outcome = NULL WHERE outcome = 'refused'
                AND message = ANY (ARRAY (SELECT message FROM given_up))
        ),
        put AS (
            INSERT INTO ready (lane, message) SELECT lane, id FROM message
                WHERE id = ANY (ARRAY (SELECT message FROM waited UNION ALL SELECT message FROM given_up))
                RETURNING message
        )
        SELECT array_agg(message) INTO done FROM put;
    ELSIF change.action = 'hold' THEN
        WITH waited AS (DELETE FROM deferred WHERE message = ANY (wanted) RETURNING *),
        queued AS (DELETE FROM ready WHERE message = ANY (wanted) RETURNING *),
        put AS (
            INSERT INTO aside (message, lane, attempts, first_attempt, not_before)
                SELECT message, lane, attempts, first_attempt,
                        CASE WHEN attempts = 0 AND declined IS NULL THEN due END FROM waited
                UNION ALL SELECT message, lane, attempts, first_attempt, NULL FROM queued
                RETURNING message
        )
        SELECT array_agg(message) INTO done FROM put;
    ELSIF change.action = 'release' THEN
        WITH held AS (
            DELETE FROM aside WHERE message = ANY (wanted) AND (mover IS NULL OR mover LIKE 'to %') RETURNING *
        ),
        noted AS (
            INSERT INTO record (message, line) SELECT message,
                jsonb_build_object('time', stamp(clock_timestamp()), 'event', 'queued') FROM held WHERE attempts > 0
        ),
        early AS (
            INSERT INTO deferred (message, lane, due, attempts)
                SELECT message, lane, not_before, 0 FROM held WHERE not_before > clock_timestamp()
        ),
        put AS (
            INSERT INTO ready (lane, message)
                SELECT lane, message FROM held WHERE not_before IS NULL OR not_before <= clock_timestamp()
        )
        SELECT array_agg(message) INTO done FROM held;
        DELETE FROM wish WHERE message = ANY (done);
    ELSIF change.action = 'delete' THEN
        WITH of_ready AS (DELETE FROM ready WHERE message = ANY (wanted) RETURNING message),
        of_deferred AS (DELETE FROM deferred WHERE message = ANY (wanted) RETURNING message),
        of_aside AS (DELETE FROM aside WHERE message = ANY (wanted) RETURNING message),
        of_ended AS (DELETE FROM ended WHERE message = ANY (wanted) RETURNING message),
        deleted AS (
            DELETE FROM message WHERE id = ANY (ARRAY (
                TABLE of_ready UNION ALL TABLE of_deferred UNION ALL TABLE of_aside UNION ALL TABLE of_ended))
                RETURNING id
        )
        SELECT array_agg(id) INTO done FROM deleted;
    ELSE
        RAISE EXCEPTION 'outbox: "%" is nothing that is done to messages', change.action USING ERRCODE = '22023';
    END IF;
    IF change.action IN ('retry', 'release') AND done IS NOT NULL THEN
        PERFORM ring();
    ELSIF change.action IN ('hold', 'delete') THEN
        PERFORM ask_for(change.action, wanted, change.owner);
    END IF;
    RETURN QUERY WITH granted AS (
        DELETE FROM wish WHERE wish.granted AND wish.message = ANY (change.ids) AND wish.action = change.action
            AND wish.owner IS NOT DISTINCT FROM change.owner RETURNING wish.message
    )
    SELECT asked.id, CASE
            WHEN asked.id = ANY (done) OR asked.id = ANY (ARRAY (SELECT granted.message FROM granted)) THEN 'done'
            WHEN NOT asked.id = ANY (wanted) THEN 'gone'
            WHEN change.action IN ('hold', 'delete') AND EXISTS (SELECT FROM leased WHERE leased.message = asked.id)
                THEN (SELECT CASE WHEN sending THEN 'sending' ELSE 'claimed' END FROM leased WHERE leased.message = asked.id)
            WHEN EXISTS (SELECT FROM aside WHERE aside.message = asked.id AND mover IS NOT NULL) THEN 'moving'
            ELSE coalesce((SELECT place.state FROM place WHERE place.message = asked.id), 'gone')
        END
        FROM unnest(change.ids) AS asked (id);
END $$;

-- Moving to and from a queue directory ------------------------------------------------------------------------

-- The program writes down here what it is about to do, changes one name in the directory, and says here that it has. In
-- between, the message is aside, `mover` says for whom ('from HOST:DIRECTORY', 'to HOST:DIRECTORY'), and `was` where it
-- is to be. src/spool/moved.h has the order.

-- What has left for a directory, until it is known to have arrived there.
CREATE TABLE departed (
    mover       text COLLATE "C" NOT NULL,
    message     bigint NOT NULL,
    PRIMARY KEY (mover, message)
);

-- What this queue is called in the names of files of messages that are moving.
CREATE FUNCTION tag() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT substr(md5(oid::text || extract(epoch FROM min(installed))::text), 1, 12) FROM version, pg_database
    WHERE datname = current_database() GROUP BY oid
$$;

-- A message that is not to be here any more, nor its key: what moves has a key of the place that it comes from.
CREATE FUNCTION forget(messages bigint[]) RETURNS void LANGUAGE sql SET search_path FROM CURRENT AS $$
    DELETE FROM used_key USING message AS m
        WHERE m.id = ANY (forget.messages) AND m.moved AND used_key.moved AND used_key.role = m.role AND used_key.key = m.key;
    DELETE FROM message WHERE id = ANY (forget.messages);
$$;

-- A message has come, and is not delivered yet: its id, or NULL when one with that key has been here in the last week, or
-- is. One that had come before with that key, and is not delivered, is forgotten. The content was appended in this
-- transaction. Times are in microseconds, a recipient is [address, parameters, outcome].
CREATE FUNCTION arrive(
    mover text, key text, uid bigint, lane text, sender text, sender_parameters text, recipients jsonb,
    queued bigint, lines jsonb, was text, attempts int, first_attempt bigint, due bigint
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    new_id bigint := nextval(pg_get_serial_sequence('message', 'id'));
    earlier bigint[];
BEGIN
    -- One that is just committing with that key is waited for, so that what follows sees it.
    PERFORM pg_advisory_xact_lock(hashtextextended(arrive.key, 0));
    WITH gone AS (
        DELETE FROM aside WHERE aside.mover = arrive.mover
            AND message IN (SELECT id FROM message WHERE moved AND key = arrive.key AND role = session_user) RETURNING message
    ) SELECT array_agg(message) INTO earlier FROM gone;
    PERFORM forget(earlier);
    INSERT INTO used_key (key, moved, message) VALUES (arrive.key, true, new_id) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO message (id, key, moved, uid, lane, sender, sender_parameters, recipients, content, queued, since)
        OVERRIDING SYSTEM VALUE
        VALUES (new_id, arrive.key, true, arrive.uid, arrive.lane, arrive.sender, arrive.sender_parameters,
            jsonb_array_length(arrive.recipients), coalesce(gather(), ''), to_timestamp(arrive.queued / 1e6),
            to_timestamp(greatest(arrive.queued, CASE arrive.attempts WHEN 0 THEN arrive.due END) / 1e6));
    PERFORM know_lane(arrive.lane);
    INSERT INTO recipient (message, number, address, parameters, outcome)
        SELECT new_id, ordinality - 1, value->>0, value->>1, value->>2
        FROM jsonb_array_elements(arrive.recipients) WITH ORDINALITY;
    INSERT INTO record (message, line)
        SELECT new_id, value FROM jsonb_array_elements(arrive.lines) WITH ORDINALITY ORDER BY ordinality;
    INSERT INTO aside (message, lane, attempts, first_attempt, not_before, mover, was) VALUES (new_id, arrive.lane,
        arrive.attempts, to_timestamp(arrive.first_attempt / 1e6), to_timestamp(arrive.due / 1e6), arrive.mover, arrive.was);
    RETURN new_id;
END $$;

-- The key of what comes from a directory ends with the size of its file and the time when that was written, which a copy
-- keeps.
CREATE FUNCTION is_of_file(key text, file text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT right(key, length(file) + 1) = '-' || file
$$;

-- It has left the directory: it is where it is to be, from now on or since before. False when it never came here, as far as is
-- known: a key is kept for a week, and as long as its message.
CREATE FUNCTION arrived(mover text, message bigint, file text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    it aside%ROWTYPE;
BEGIN
    -- What was given is known by its number and its file: its directory, or the host, may have another name by now, and
    -- after a restore a number is given again.
    SELECT * INTO it FROM aside WHERE message = arrived.message
        AND (mover = arrived.mover OR (mover LIKE 'from %' AND arrived.mover LIKE 'from %'))
        AND (arrived.file IS NULL OR EXISTS (SELECT FROM message WHERE id = arrived.message AND is_of_file(key, arrived.file)))
        FOR UPDATE;
    IF NOT FOUND THEN
        RETURN EXISTS (SELECT FROM used_key WHERE used_key.message = arrived.message AND moved
            AND (arrived.file IS NULL OR is_of_file(key, arrived.file)));
    END IF;
    IF it.was = 'held' THEN
        UPDATE aside SET mover = NULL, was = NULL WHERE message = it.message;
        RETURN true;
    END IF;
    DELETE FROM aside WHERE message = it.message;
    IF it.was = 'failed' THEN
        INSERT INTO ended (message, state, error, text)
            SELECT it.message, 'failed', (line->>'error')::int, line->>'text'
            FROM (SELECT) AS one LEFT JOIN LATERAL (
                SELECT line FROM record WHERE message = it.message AND line->>'event' = 'failed' ORDER BY id DESC LIMIT 1
            ) AS last ON true;
    ELSIF it.not_before > clock_timestamp() THEN
        INSERT INTO deferred (message, lane, due, attempts, first_attempt)
            VALUES (it.message, it.lane, it.not_before, it.attempts, it.first_attempt);
    ELSE
        INSERT INTO ready (lane, message, attempts, first_attempt) VALUES (it.lane, it.message, it.attempts, it.first_attempt);
        PERFORM ring();
    END IF;
    RETURN true;
END $$;

-- It has not left the directory: it never was here.
CREATE FUNCTION not_arrived(mover text, message bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    WITH forgotten AS (
        DELETE FROM aside WHERE aside.message = not_arrived.message AND aside.mover = not_arrived.mover
            AND not_arrived.mover LIKE 'from %' RETURNING message
    ) SELECT forget(array_agg(message)) FROM forgotten
$$;

-- What is aside for that mover.
CREATE FUNCTION moving(mover text) RETURNS SETOF bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT message FROM aside WHERE aside.mover = moving.mover ORDER BY message
$$;

-- A message is to go: the state that it was in, and all that is known of its attempts; where it cannot go, that state,
-- 'claimed' or 'gone' alone, with NULL for `going`.
CREATE FUNCTION depart(mover text, message bigint, OUT going boolean, OUT was text, OUT attempts int,
    OUT first_attempt bigint, OUT due bigint, OUT queued bigint, OUT uid bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
BEGIN
    PERFORM reap();
    WITH of_ready AS (DELETE FROM ready WHERE message = depart.message RETURNING *),
    of_deferred AS (DELETE FROM deferred WHERE message = depart.message RETURNING *),
    of_ended AS (DELETE FROM ended WHERE message = depart.message AND state = 'failed' RETURNING *)
    INSERT INTO aside (message, lane, attempts, first_attempt, not_before, mover, was)
        SELECT message, lane, attempts, first_attempt, NULL, depart.mover, 'queued' FROM of_ready
        UNION ALL SELECT message, lane, attempts, first_attempt, CASE WHEN declined IS NULL THEN due END, depart.mover,
            CASE attempts WHEN 0 THEN 'queued' ELSE 'deferred' END FROM of_deferred
        UNION ALL SELECT message, '', 0, NULL, NULL, depart.mover, 'failed' FROM of_ended;
    UPDATE aside SET mover = depart.mover, was = 'held' WHERE message = depart.message AND mover IS NULL;
    SELECT true, a.was, a.attempts, (extract(epoch FROM a.first_attempt) * 1000000)::bigint,
            (extract(epoch FROM a.not_before) * 1000000)::bigint, (extract(epoch FROM m.queued) * 1000000)::bigint, m.uid
        INTO going, was, attempts, first_attempt, due, queued, uid
        FROM aside a JOIN message m ON m.id = a.message WHERE a.message = depart.message AND a.mover = depart.mover;
    IF NOT FOUND THEN
        was := coalesce((SELECT CASE WHEN sending THEN 'sending' ELSE 'claimed' END FROM leased WHERE message = depart.message),
            (SELECT state FROM place WHERE message = depart.message), 'gone');
    END IF;
END $$;

-- It is written down in the directory: it is no more here. False when it is not on its way for that mover any more.
CREATE FUNCTION depart_for_good(mover text, message bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
BEGIN
    DELETE FROM aside WHERE message = depart_for_good.message AND mover = depart_for_good.mover;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM forget(ARRAY[depart_for_good.message]);
    INSERT INTO departed (mover, message) VALUES (depart_for_good.mover, depart_for_good.message);
    RETURN true;
END $$;

-- Whether it has left for good; and it is known to be in the directory.
CREATE FUNCTION has_departed(mover text, message bigint) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    other text;
BEGIN
    SELECT departed.mover INTO other FROM departed WHERE departed.message = has_departed.message
        ORDER BY departed.mover = has_departed.mover DESC LIMIT 1;
    IF other <> has_departed.mover THEN
        RAISE EXCEPTION 'outbox: message % has left "%", and this is "%"', has_departed.message, other, has_departed.mover
            USING ERRCODE = '22023',
            HINT = format('Where that is this directory under a former name: outbox move --formerly %L', substr(other, 4));
    END IF;
    RETURN other IS NOT NULL;
END $$;
-- A directory, or its host, has another name now: what was begun for it is found under that. How many messages.
CREATE FUNCTION rename_mover(former text, present text) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    WITH here AS (
        UPDATE aside SET mover = split_part(mover, ' ', 1) || ' ' || rename_mover.present
            WHERE mover IN ('from ' || rename_mover.former, 'to ' || rename_mover.former) RETURNING message
    ), left_for_it AS (
        UPDATE departed SET mover = 'to ' || rename_mover.present
            WHERE mover = 'to ' || rename_mover.former RETURNING message
    )
    SELECT (SELECT count(*) FROM here) + (SELECT count(*) FROM left_for_it)
$$;
CREATE FUNCTION forget_departed(mover text, message bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    DELETE FROM departed WHERE departed.mover = forget_departed.mover AND departed.message = forget_departed.message
$$;

-- It does not go: it is back where it was.
CREATE FUNCTION stay(mover text, message bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM arrived(stay.mover, stay.message);
END $$;

-- Rights -----------------------------------------------------------------------------------------------------

-- The functions that are for others than the owner: those that are run as the owner. A producer queues; a daemon
-- delivers, and queues what is handed to it; an operator looks at everything and changes it, and may deliver by hand.
-- What is not named here is the operator's.
CREATE FUNCTION may_use(kind text) RETURNS SETOF regprocedure LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'outbox'::regnamespace AND prosecdef AND CASE may_use.kind
        WHEN 'producer' THEN proname IN ('hello', 'queue', 'append', 'submit')
        WHEN 'daemon' THEN proname IN ('hello', 'append', 'submit', 'submit_as', 'waiting', 'lanes', 'daemon_begin',
            'daemon_renew', 'daemon_end', 'reap', 'forget_keys', 'oldest', 'keep', 'take_kept', 'kept_by_others',
            'ripen', 'offer', 'claim', 'keep_only', 'wishes', 'let_go', 'sending', 'read', 'content', 'note',
            'settle', 'write', 'bring', 'flush', 'look')
        WHEN 'operator' THEN true
        ELSE false
    END ORDER BY proname, oid
$$;

-- Gives a role the functions of its kind. For the owner, who may do so.
CREATE FUNCTION allow(role name, kind text) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    one regprocedure;
BEGIN
    IF allow.role = 'public' THEN
        RAISE EXCEPTION 'outbox: "public" is everybody, and no role' USING ERRCODE = '42704';
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA outbox TO %I', allow.role);
    FOR one IN SELECT may_use(allow.kind) LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', one, allow.role);
    END LOOP;
END $$;

-- Who has which kind, by the rights that they have: a role that is gone, has another name or was denied a function since
-- has none, another or none. For functions that come with an upgrade.
CREATE FUNCTION granted() RETURNS TABLE (role name, kind text) LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT rolname, mark.kind FROM pg_proc
        JOIN (VALUES ('queue', 'producer'), ('claim', 'daemon'), ('change', 'operator')) AS mark (proname, kind) USING (proname)
        CROSS JOIN LATERAL aclexplode(proacl) AS given JOIN pg_roles ON pg_roles.oid = given.grantee
        WHERE pronamespace = 'outbox'::regnamespace AND given.grantee <> proowner GROUP BY rolname, mark.kind
$$;

-- Whatever is in this schema is used through these functions: who may make something in it, or write to its tables, does
-- what he likes with every message. So the rights that an owner gives by default (ALTER DEFAULT PRIVILEGES) are taken away
-- from what has just been made.
CREATE FUNCTION keep_to_itself() RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    one text;
BEGIN
    FOR one IN SELECT DISTINCT coalesce(quote_ident(rolname), 'PUBLIC') FROM (
        SELECT nspowner AS owner, nspacl AS acl FROM pg_namespace WHERE nspname = 'outbox'
        UNION ALL SELECT relowner, relacl FROM pg_class WHERE relnamespace = 'outbox'::regnamespace
        UNION ALL SELECT proowner, coalesce(proacl, acldefault('f', proowner)) FROM pg_proc
            WHERE pronamespace = 'outbox'::regnamespace
    ) AS thing CROSS JOIN LATERAL aclexplode(acl) AS given LEFT JOIN pg_roles ON pg_roles.oid = given.grantee
    WHERE given.grantee <> owner LOOP
        EXECUTE format('REVOKE CREATE ON SCHEMA outbox FROM %s', one);
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA outbox FROM %s', one);
        EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA outbox FROM %s', one);
        EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA outbox FROM %s', one);
    END LOOP;
END $$;
SELECT keep_to_itself();
