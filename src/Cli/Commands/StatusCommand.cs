using System.Text.Json.Serialization;
using Atoll.Client;
using Atoll.Contracts;

namespace Atoll.Cli.Commands;

/// <summary><c>atoll status</c>: which server, whether it answers, and as whom.</summary>
internal static class StatusCommand
{
    public static Verb Create() => new Verb(
        "status", "Show which server is used, whether it answers, and who you are there.",
        new("atoll status", "The server of the stored login"),
        new("atoll status --server http://127.0.0.1:8080 --key atl_...", "Another one"))
        .Does(async (context, cancellationToken) =>
        {
            var client = context.Client;
            var ready = await client.IsReadyAsync(cancellationToken);
            var caller = await client.GetCallerAsync(cancellationToken);
            if (context.IsJson)
            {
                context.WriteJson(caller, AtollJson.Default.CallerResponse);
                return ready ? ExitCodes.Done : ExitCodes.Refused;
            }
            var facts = new Facts()
                .Add("server", client.Server.ToString().TrimEnd('/')).Add("state", ready ? new Grid.Cell("ready", "green") : new Grid.Cell("starting or stopping", "yellow"))
                .Add("tenant", caller.Tenant).Add("principal", caller.Principal).Add("permissions", string.Join(", ", caller.Permissions));
            if (caller.Permissions.Contains(Permissions.RunsRead))
            {
                var running = await client.ListRunsPageAsync(new RunFilter(State: RunStates.Running), limit: 100, cancellationToken: cancellationToken);
                var queued = await client.ListRunsPageAsync(new RunFilter(State: RunStates.Queued), limit: 100, cancellationToken: cancellationToken);
                facts.Add("runs", $"{Counted(running)} running, {Counted(queued)} waiting");
            }
            if (caller.Permissions.Contains(Permissions.PlatformObserve))
            {
                var serving = await client.GetServingAsync(cancellationToken);
                var memory = serving.Memory;
                facts.Add("versions", $"{serving.Versions}, of which {serving.Shared} share sessions");
                foreach (var reason in serving.OwnReasons) facts.Add("own session", $"{reason.Versions}: {reason.Reason}");
                facts.Add("in memory", $"{Words.Plural(memory.Models, "model")}, {Words.Bytes(memory.Bytes)} of {Words.Bytes(memory.BytesMax)}; {memory.Hot} hot, {memory.Pinned} pinned");
            }
            facts.Add("chosen by", context.ConnectionSource).Write(context.Terminal.OutConsole);
            return ready ? ExitCodes.Done : ExitCodes.Refused;

            static string Counted(Page<RunResponse> page) => page.Next is null ? $"{page.Items.Count}" : $"more than {page.Items.Count}";
        });
}
