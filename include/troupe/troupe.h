/* troupe/troupe.h: Troupe, an actor runtime for C: processes, links, monitors, generic servers and supervisors. This
 * includes all of it. */
#ifndef TROUPE_TROUPE_H
#define TROUPE_TROUPE_H

#include <troupe/actor.h>
#include <troupe/base.h>
#include <troupe/call.h>
#include <troupe/gen_server.h>
#include <troupe/info.h>
#include <troupe/message.h>
#include <troupe/process.h>
#include <troupe/runtime.h>
#include <troupe/socket.h>
#include <troupe/supervisor.h>
#include <troupe/timer.h>

#endif
