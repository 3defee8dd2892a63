// Password hashes. A small cost keeps the tests quick; one test uses the default.
#include "store/password.hpp"

#include <gtest/gtest.h>

namespace postern::store {
namespace {

constexpr ScryptCost kCheap{.log2_n = 10};

TEST(Password, RightAndWrong) {
  const std::string hash = hash_password("correct horse", kCheap).value();
  EXPECT_TRUE(hash.starts_with("scrypt$ln=10,r=8,p=1$")) << hash;
  EXPECT_TRUE(verify_password("correct horse", hash).value());
  EXPECT_FALSE(verify_password("correct horsf", hash).value());
  EXPECT_FALSE(verify_password("", hash).value());
  EXPECT_FALSE(verify_password(std::string(kPasswordOctetsMax + 1, 'x'), hash).value());
}

TEST(Password, DefaultCostIsAsDocumented) {
  const std::string hash = hash_password("p").value();
  EXPECT_TRUE(hash.starts_with("scrypt$ln=15,r=8,p=1$")) << hash;
  EXPECT_TRUE(verify_password("p", hash).value());
}

TEST(Password, SaltsDiffer) {
  EXPECT_NE(hash_password("same", kCheap).value(), hash_password("same", kCheap).value());
}

TEST(Password, AnyOctetsWork) {
  const std::string password("\0\xff ", 3);
  const std::string hash = hash_password(password, kCheap).value();
  EXPECT_TRUE(verify_password(password, hash).value());
  EXPECT_FALSE(verify_password(std::string_view("\0\xfe ", 3), hash).value());
}

TEST(Password, KnownVector) {
  // RFC 7914 section 12: scrypt("pleaseletmein", "SodiumChloride", N=16384, r=8, p=1), first 32
  // octets.
  EXPECT_TRUE(verify_password("pleaseletmein",
                              "scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$"
                              "cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofI")
                  .value());
}

TEST(Password, MalformedHashesAreErrorsNotCrashes) {
  const std::string hash = hash_password("x", kCheap).value();
  for (std::size_t length = 0; length < hash.size(); ++length) {
    const auto result = verify_password("x", hash.substr(0, length));
    EXPECT_TRUE(!result || !*result) << length;
  }
  for (const char* bad :
       {"", "scrypt$", "plain", "scrypt$ln=99,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA",
        "scrypt$ln=15,r=0,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA",
        "scrypt$ln=-1,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA", "scrypt$ln=15,r=8,p=1$!!!$AAAA"}) {
    const auto result = verify_password("x", bad);
    ASSERT_FALSE(result.has_value()) << bad;
    EXPECT_EQ(result.error().code, ErrorCode::corrupted);
  }
}

TEST(Password, ArgumentsAreChecked) {
  EXPECT_EQ(hash_password("").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(hash_password(std::string(kPasswordOctetsMax + 1, 'x')).error().code,
            ErrorCode::invalid_argument);
  EXPECT_EQ(hash_password("x", {.log2_n = 40}).error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace postern::store
