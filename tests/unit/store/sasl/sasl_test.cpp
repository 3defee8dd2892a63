#include <gtest/gtest.h>
#include <random>
#include <string>

#include "store/sasl/base64.hpp"
#include "store/sasl/mechanism.hpp"

namespace postern::sasl {
namespace {

using std::string_literals::operator""s;

TEST(Base64, KnownVectors) {  // RFC 4648 section 10
  const std::pair<std::string, std::string> vectors[] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
      {"\xff\xfe\xfd", "//79"},
  };
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(encode_base64(plain), encoded);
    EXPECT_EQ(decode_base64(encoded), plain);
  }
}

TEST(Base64, IsStrict) {
  for (const char* bad :
       {"Z", "Zg", "Zg=", "Zg===", "=", "==", "====", "Z===", "Zm8==", "Zm=8",
        "Zh==", "Zm9=", "Zm9v ", " Zm9v", "Zm\n9v", "Zm9v=", "Zm9-", "Zg==Zg=="}) {
    EXPECT_FALSE(decode_base64(bad)) << bad;
  }
}

TEST(Base64, RoundTrip) {
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    std::string octets(random() % 100, '\0');
    for (char& c : octets) c = static_cast<char>(random());
    EXPECT_EQ(decode_base64(encode_base64(octets)), octets);
  }
}

TEST(Mechanisms, ByNameInAnyCase) {
  EXPECT_EQ(make_mechanism("PLAIN")->name(), "PLAIN");
  EXPECT_EQ(make_mechanism("login")->name(), "LOGIN");
  EXPECT_TRUE(make_mechanism("PLAIN")->client_first());
  EXPECT_FALSE(make_mechanism("LOGIN")->client_first());
  EXPECT_EQ(make_mechanism("PLAINX"), nullptr);
  EXPECT_EQ(make_mechanism(""), nullptr);
}

std::string plain(std::string_view message) {
  const Step step = make_mechanism("PLAIN")->start(message);
  if (const auto* verify = std::get_if<Verify>(&step)) return verify->user + "/" + verify->password;
  if (const auto* failure = std::get_if<Failure>(&step)) {
    return failure->reason == Failure::Reason::malformed ? "malformed" : "not authorized";
  }
  return "challenge";
}

TEST(Plain, Messages) {
  EXPECT_EQ(plain("\0u\0p"s), "u/p");
  EXPECT_EQ(plain("u\0u\0p"s), "u/p");
  EXPECT_EQ(plain("\0u\0 p "s), "u/ p ");
  EXPECT_EQ(plain("x\0u\0p"s), "not authorized");
  for (const std::string& bad :
       {""s, "\0"s, "\0\0"s, "u"s, "\0u"s, "\0u\0"s, "\0\0p"s, "\0u\0p\0"s}) {
    EXPECT_EQ(plain(bad), "malformed");
  }
  EXPECT_EQ(plain("\0u\0"s + std::string(kCredentialOctetsMax, 'p')).size(),
            kCredentialOctetsMax + 2);
  EXPECT_EQ(plain("\0u\0"s + std::string(kCredentialOctetsMax + 1, 'p')), "malformed");
}

TEST(Plain, WithoutInitialResponse) {
  const auto mechanism = make_mechanism("PLAIN");
  const Step first = mechanism->start(std::nullopt);
  EXPECT_EQ(std::get<Challenge>(first).octets, "");
  const Step second = mechanism->respond("\0u\0p"s);
  EXPECT_EQ(std::get<Verify>(second).user, "u");
}

TEST(Login, Prompts) {
  const auto mechanism = make_mechanism("LOGIN");
  EXPECT_EQ(std::get<Challenge>(mechanism->start(std::nullopt)).octets, "Username:");
  EXPECT_EQ(std::get<Challenge>(mechanism->respond("u")).octets, "Password:");
  const Step last = mechanism->respond("p");
  EXPECT_EQ(std::get<Verify>(last).user, "u");
  EXPECT_EQ(std::get<Verify>(last).password, "p");
}

TEST(Login, Refuses) {
  EXPECT_TRUE(std::holds_alternative<Failure>(make_mechanism("LOGIN")->start("")));
  EXPECT_TRUE(std::holds_alternative<Failure>(make_mechanism("LOGIN")->start("a\0b"s)));
  const auto mechanism = make_mechanism("LOGIN");
  mechanism->start("u");
  EXPECT_TRUE(std::holds_alternative<Failure>(mechanism->respond("")));
}

}  // namespace
}  // namespace postern::sasl
