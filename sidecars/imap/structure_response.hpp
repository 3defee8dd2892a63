// ENVELOPE, BODY and BODYSTRUCTURE (RFC 3501 7.4.2) from a message's structure.
#pragma once

#include <string>

#include "store/message_structure.hpp"

namespace postern::imap {

/// "(date subject from sender ...)".
void append_envelope(std::string& out, const store::EnvelopeFields& fields);

/// The whole message's body structure; with `extended`, BODYSTRUCTURE's extension data too
/// (IMAP-43).
void append_body_structure(std::string& out, const store::MessageStructure& structure,
                           bool extended);

}  // namespace postern::imap
