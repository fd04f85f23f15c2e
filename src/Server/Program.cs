using Atoll.Cli;
using Atoll.Commands;

return await CommandLine.RunAsync(args, ServerCommands.All());
