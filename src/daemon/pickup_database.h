/* Files of pickup directories into the queue in PostgreSQL, beside the loop. */
#pragma once

#include "daemon/submit_job.h"
#include "spool/pickup.h"

/* The sink of a SpoolPickup, over that connection. */
SpoolPickupSink pickup_database_sink(SubmitLink *link);
