"""`manage.py tools`: what the configuration offers, and to whom."""

from argparse import ArgumentParser, Namespace
from typing import Any

from commands import (
    FOLDER,
    add_json_option,
    add_source_options,
    environment,
    print_json,
    tell,
    tell_errors,
)
from shared import command_names, startup
from shared.authorization.policy import Rule
from shared.configuration.problems import ConfigurationError
from shared.tools.catalogue import Tool


def configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the tools, where they are and what they ask")
    listing.set_defaults(main=main)
    schema = actions.add_parser("schema", help="a tool's input and output schema")
    schema.add_argument("tool", metavar="TOOL")
    schema.set_defaults(main=main)
    for action in (listing, schema):
        add_source_options(action)
        add_json_option(action)


def main(arguments: Namespace) -> int:
    variables = environment(development=arguments.development)
    try:
        offer = startup.offer(FOLDER, variables, config_file=arguments.config)
    except ConfigurationError as error:
        tell_errors(error.problems, arguments)
        return 1
    tools = offer.catalogue.tools
    if arguments.action == "schema":
        name = command_names.find(arguments.tool, tools)
        if name is None:
            near = command_names.closest(arguments.tool, tools)
            tell(
                f"There is no tool {arguments.tool}" + (f"; did you mean {near}?" if near else ".")
            )
            return 1
        read = tools[name].signature
        print_json({"inputSchema": read.input_schema, "outputSchema": read.output_schema})
        return 0
    if arguments.json:
        print_json([_row(tool, offer.policies.tools.rules[name]) for name, tool in tools.items()])
        return 0
    width = max((len(name) for name in tools), default=0)
    for name, tool in tools.items():
        rule = offer.policies.tools.rules[name]
        print(f"{name:<{width}}  {_asks(rule)}  ({tool.where}; {rule.written})")
    return 0


def _row(tool: Tool, rule: Rule) -> dict[str, Any]:
    return {
        "name": tool.name,
        "where": tool.where,
        "scopes": sorted(rule.scopes),
        "roles": sorted(rule.roles),
        "anonymous": rule.open,
        "rule": rule.written,
    }


def _asks(rule: Rule) -> str:
    if rule.open:
        return "anyone"
    asks = [f"scope {scope}" for scope in sorted(rule.scopes)]
    if rule.roles:
        asks.append(f"role {' or '.join(sorted(rule.roles))}")
    return " and ".join(asks) or "any authenticated caller"
