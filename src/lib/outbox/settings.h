/* Settings by name, the component's or outbox's own: outbox.conf(5) lists those of a relay, and
 * outbox_message(3) those of a message, which may be set here too and are then those of the
 * client's own message. The case of a name, and underscores in it, do not matter. A setting of the
 * component's name has the component's values and units ("True", seconds, milliseconds), one of
 * outbox's name those of the configuration file ("yes", "90s"). */
#ifndef OUTBOX_SETTINGS_H
#define OUTBOX_SETTINGS_H

#include <outbox/base.h>

OUTBOX_BEGIN

/* Reads a configuration file (outbox.conf(5)); `path` NULL: the one that the programs use. Its
 * relays are tried in their order. What was set before it, or is set afterwards, holds for each of
 * them. 0; 9002 for what cannot be read, or is wrong in it: nothing is changed then; or 166. */
OUTBOX_API int outbox_load(OutboxClient *client, const char *path);

/* Sets one; an empty value gives it back its default. It holds from the next connection. 0; 9002
 * for a value that it cannot have; 9001 for a name that there is not; 100, 101, 106, 107, 112 or
 * 117 for a setting that cannot be changed while there is a connection; 166. */
OUTBOX_API int outbox_set(OutboxClient *client, const char *name, const char *value);

/* The value, or NULL for a name that there is not. A secret that was set is "***". Beside what can
 * be set: what is only known while there is a connection, "LocalHost" and "LocalPort" (the address
 * in use), "RemoteAddress", "ServerName", "ServerExtensions" (those that outbox knows),
 * "ServerMechanisms" (to log in by) and "ServerSizeLimit" (bytes a message), as the server states
 * them, "AuthMechanismUsed", "SSLNegotiatedVersion", "SSLNegotiatedCipher",
 * "SSLNegotiatedCipherSuite", "SSLNegotiatedCipherStrength", "SSLNegotiatedKeyExchange" and
 * "SSLNegotiatedKeyExchangeStrength", which are "" without one, and before it has come so far (an
 * event may ask while it is made); and "BuildInfo" and "LicenseInfo". */
OUTBOX_API const char *outbox_get(OutboxClient *client, const char *name);

OUTBOX_END

#endif
