/* A server's certificate for --json. */
#pragma once

#include <jansson.h>

#include "base/clock.h"
#include "certificate/certificate.h"

/* An object with the component's fields, their names in small letters ("effective_date"), and with
 * the subjects of what the server sent along ("chain"); null for NULL. NULL when memory is short.
 */
json_t *certificate_json(const Certificate *certificate);

/* Of it and of what the server sent along, an array of objects: subject, expires (RFC 3339, or null
 * where that cannot be read), days (left; negative where it has ended). Empty for NULL. NULL when
 * memory is short. `now` is realtime. */
json_t *certificate_expiries_json(const Certificate *certificate, usec_t now);
