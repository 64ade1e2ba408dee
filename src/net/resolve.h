/* The addresses of a relay, and of its proxy (getaddrinfo, so that nsswitch.conf is honoured). */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "base/failure.h"
#include "settings/relay.h"

#define RESOLVE_ADDRESSES_MAX 16

typedef struct AddressList {
    struct sockaddr_storage *addresses; /* to connect to, the proxy's where there is one; in the
                                           order to try them, families alternating */
    size_t n_addresses;
    struct sockaddr_storage *targets; /* the relay's behind the proxy; NULL: that one looks it up */
    size_t n_targets;
    struct sockaddr_storage *local; /* those of the setting local_host, or NULL */
    size_t n_local;
} AddressList;

/* False when the relay's settings name addresses only. */
bool resolve_may_block(const RelayConfig *relay);

/* What is looked up, for words: the relay, or its proxy where that one looks the relay up. */
const char *resolve_name(const RelayConfig *relay);

/* 0, or a negative errno with a Failure that says what to do. */
int resolve_relay(const RelayConfig *relay, AddressList *ret, Failure *f);

/* 0 or -ENOMEM. */
int address_list_copy(const AddressList *from, AddressList *ret);
void address_list_done(AddressList *list);
