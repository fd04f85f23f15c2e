using System.Runtime.InteropServices;
using Atoll.Client;

namespace Atoll.Cli.Commands;

/// <summary><c>atoll version</c>.</summary>
internal static class VersionCommand
{
    public static Verb Create() => new Verb("version", "Show the version of this program.", new Example("atoll version", "Show it")) { IsLocal = true }
        .Does((context, _) =>
        {
            context.Say($"atoll {AtollClient.Version} ({RuntimeInformation.FrameworkDescription}, {RuntimeInformation.RuntimeIdentifier})");
            return Task.FromResult(ExitCodes.Done);
        });
}
