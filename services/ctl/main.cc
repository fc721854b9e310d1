#include <iostream>

#include "services/ctl/cli.h"

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  std::cin.tie(nullptr);
  wissel::ctl::Session session(std::cin, std::cout, std::cerr);
  return wissel::ctl::Run(argc, argv, session);
}
