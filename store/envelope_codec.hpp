// How the envelope's parameters are written into records: shared by every record that holds an
// envelope (the queue row), so that a parameter is encoded in one place.
#pragma once

#include <string>

#include "store/envelope.hpp"
#include "store/octet_codec.hpp"

namespace postern::store {

/// Appends the options; a message without any takes two octets.
void append_options(std::string& out, const EnvelopeOptions& options);
/// Reads what append_options() wrote. false: damaged (the reader is not ok, or a value is none).
bool read_options(OctetReader& in, EnvelopeOptions& options);

/// Appends a recipient's options; none take one octet.
void append_options(std::string& out, const RecipientOptions& options);
bool read_options(OctetReader& in, RecipientOptions& options);

}  // namespace postern::store
