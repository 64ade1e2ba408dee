/* The rows of the table of settings for the rules of `routes`. For table.c alone. */
#pragma once

#include "settings/routes.h"
#include "settings/table.h"

#define ROUTE(name) SECTION_ROUTES, #name
#define IN_ROUTE(field) offsetof(RouteConfig, field)

/* clang-format off */
#define ROUTE_ROWS                                                                               \
    {ROUTE(sender), "", SETTING_WORDS, IN_ROUTE(sender), NULL,                                   \
        .help = "the rule is for messages from one of these: NAME@DOMAIN, DOMAIN, or <> for "    \
                "reports; * for any characters"},                                                \
    {ROUTE(recipient), "", SETTING_WORDS, IN_ROUTE(recipient), NULL,                             \
        .help = "and for recipients at one of these: NAME@DOMAIN or DOMAIN; * for any "          \
                "characters"},                                                                   \
    {ROUTE(lane), "", SETTING_WORDS, IN_ROUTE(lane), NULL,                                       \
        .help = "and for messages in one of these lanes (X-Outbox-Lane); * for any characters"}, \
    {ROUTE(header), "", SETTING_STRING, IN_ROUTE(header), NULL,                                  \
        .help = "and for messages with such a field in their header, as in \"X-Mailer: "         \
                "newsletter*\""},                                                                \
    {ROUTE(relays), "", SETTING_WORDS, IN_ROUTE(relays), NULL, .required = true,                 \
        .help = "the names of the relays that take them, in order of preference"},
/* clang-format on */
