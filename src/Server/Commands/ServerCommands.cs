using System.CommandLine;

namespace Atoll.Commands;

/// <summary>The commands that need the server's code; they join those of the command line.</summary>
/// <remarks>Their work begins in methods of their own, so that a command which only calls the API loads nothing of ASP.NET.</remarks>
internal static class ServerCommands
{
    public static IEnumerable<Command> All() =>
        [QuickstartCommand.Create(), ServeCommand.Create(), DoctorCommand.Create(), RecoverCommand.Create(), TrainWorkerCommand.Create(), ImportWorkerCommand.Create()];
}
