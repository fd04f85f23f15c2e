using System.CommandLine;
using Atoll.Cli;
using Atoll.ModelImports;

namespace Atoll.Commands;

/// <summary>The hidden verb by which the server tries a model in a process of its own.</summary>
internal static class ImportWorkerCommand
{
    public static Command Create()
    {
        var folder = new Argument<string>("folder") { Description = "Folder with the order; the results go there." };
        return new Verb(ImportProcess.Verb, "Try a model as the server orders. Started by the server only.") { IsLocal = true, Hidden = true, Arguments = { folder } }
            .Does((context, _) => Task.FromResult(WorkerProcess.Run(output => ImportProcess.Run(context.Get(folder), output))));
    }
}
