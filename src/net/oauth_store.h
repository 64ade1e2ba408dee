/* The file that refresh tokens are kept in (oauth_token_file): what `outbox authorize` got, and
 * what a server gave in exchange for an older one. Written whole or not at all; the owner of its
 * directory alone can read it, and where oauth_token_key_* names a key it is sealed with that
 * (net/seal.h). One that is sealed and cannot be opened is never replaced. Blocks. */
#pragma once

#include "base/failure.h"
#include "base/secret.h"
#include "settings/relay.h"
#include "settings/secret_source.h"

/* What a token goes back to: a hash of URL, client, and the token in the configuration, if any. One
 * that goes back to something else is not used: it is the configuration that has been changed. */
#define OAUTH_ORIGIN_MAX 65
int oauth_origin(
    const RelayConfig *relay, const Secret *configured, char ret[static OAUTH_ORIGIN_MAX]);

/* Waits for other processes that use the file, and keeps them waiting until the descriptor is
 * closed; finds out whether the file can be written at all. A descriptor, or a negative errno with
 * a Failure: -ECANCELED when it was stopped; `stop` may be NULL. */
int oauth_store_lock(const RelayConfig *relay, CommandStop *stop, Failure *f);

/* 0 with the token, NULL when there is none of that origin; or a negative errno with a Failure.
 * With a key, a file that is not sealed yet is; to be called with the lock held. `stop` is of a
 * command that gives the key, or NULL. */
int oauth_store_load(
    const RelayConfig *relay, CommandStop *stop, const char *origin, Secret **ret, Failure *f);

/* Room on the disk for any token that a server may give, and the key that it is sealed with: had
 * before a token is asked for, so that it can be kept when it comes. Begun as OAUTH_ROOM_NONE; done
 * with in any case, and with the lock held. */
typedef struct OauthRoom {
    char *path; /* of a file beside oauth_token_file */
    int fd;
    Secret *key; /* NULL: none is configured */
} OauthRoom;
#define OAUTH_ROOM_NONE ((OauthRoom){.fd = -1})

/* 0, or a negative errno with a Failure; one that is there and cannot be opened is such a failure,
 * for it may be worth more than what is to be saved. `stop` as above. */
int oauth_store_reserve(const RelayConfig *relay, CommandStop *stop, OauthRoom *room, Failure *f);
void oauth_room_done(OauthRoom *room);

/* Uses the room up. 0 when it is on the disk, or a negative errno with a Failure. */
int oauth_store_save(
    const RelayConfig *relay, const char *origin, const Secret *token, OauthRoom *room, Failure *f);
