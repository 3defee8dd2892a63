// Spellings of one address have one form, and other addresses have others.
#include "store/address.hpp"

#include <gtest/gtest.h>

namespace postern::store {
namespace {

TEST(Address, AsciiIsFoldedAndNothingElse) {
  EXPECT_EQ(canonical_address("Ann.O'Hara+X@Example.NET"), "ann.o'hara+x@example.net");
  EXPECT_EQ(canonical_domain("XN--bcher-KVA.example"), "xn--bcher-kva.example");
  EXPECT_EQ(canonical_address("a@b@C.example"), "a@b@c.example");
  EXPECT_EQ(canonical_address("Postmaster"), "postmaster");
  EXPECT_EQ(canonical_address(""), "");
  EXPECT_EQ(canonical_domain("[IPv6:2001:DB8::1]"), "[ipv6:2001:db8::1]");
}

TEST(Address, ULabelsAndALabelsAreOneDomain) {
  EXPECT_EQ(canonical_domain("b\u00fccher.example"), "xn--bcher-kva.example");
  EXPECT_EQ(canonical_domain("B\u00dcCHER.Example"), "xn--bcher-kva.example");
  EXPECT_EQ(canonical_domain("bu\u0308cher.example"), "xn--bcher-kva.example");  // decomposed
  EXPECT_EQ(canonical_domain("fa\u00df.example"), "xn--fa-hia.example");         // non-transitional
  EXPECT_EQ(canonical_domain("\u4f8b\u5b50.example"), "xn--fsqu00a.example");
  // The ideographic full stop separates labels (UTS 46).
  EXPECT_EQ(canonical_domain("\u4f8b\u5b50\u3002example"), "xn--fsqu00a.example");
}

TEST(Address, WhatIsNoDomainStaysWhatItIs) {
  EXPECT_EQ(canonical_domain("-\u00fc.example"), "-\u00fc.example");
  EXPECT_EQ(canonical_domain("a\u00fc\u200b_x.Example"), "a\u00fc\u200b_x.example");
  EXPECT_EQ(canonical_domain("\xff\xfe.Example"), "\xff\xfe.example");
  std::string large;
  while (large.size() < 2000) large += "\u00fc";
  EXPECT_EQ(canonical_domain(large), large);
}

TEST(Address, LocalPartsAreComposedAndFolded) {
  EXPECT_EQ(canonical_local_part("J\u00dcRGEN"), "j\u00fcrgen");
  EXPECT_EQ(canonical_local_part("ju\u0308rgen"), "j\u00fcrgen");
  EXPECT_EQ(canonical_local_part("JU\u0308RGEN"), "j\u00fcrgen");
  EXPECT_EQ(canonical_local_part("\u0394\u039f\u039a"), "\u03b4\u03bf\u03ba");
  EXPECT_NE(canonical_local_part("j\u00fcrgen"), canonical_local_part("jurgen"));
  EXPECT_EQ(canonical_local_part("\xff\xfeX"), "\xff\xfex");
  EXPECT_EQ(canonical_address("J\u00dcRGEN@B\u00dcCHER.example"),
            "j\u00fcrgen@xn--bcher-kva.example");
}

// Canonical is canonical: a second time changes nothing.
TEST(Address, TheFormIsStable) {
  for (const char* address :
       {"\u1e9eX@STRA\u00dfE.example", "\u0130@\u00e9.example", "\u1f80\u0345@x", "a@b"}) {
    const std::string once = canonical_address(address);
    EXPECT_EQ(canonical_address(once), once) << address;
  }
}

}  // namespace
}  // namespace postern::store
