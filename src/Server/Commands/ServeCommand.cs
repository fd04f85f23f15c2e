using System.CommandLine;
using Atoll.Cli;
using Atoll.Client;
using Atoll.Platform;
using Microsoft.AspNetCore.Connections;
using Spectre.Console;

namespace Atoll.Commands;

/// <summary><c>atoll serve</c>: a server in the foreground.</summary>
internal static class ServeCommand
{
    public static Command Create()
    {
        var data = new Option<string?>("--data") { Description = "Folder that holds everything the server keeps. Default: atoll-data.", HelpName = "folder" };
        var port = new Option<int?>("--port") { Description = "Port to listen on at 127.0.0.1; 0 takes a free one. Default: 8080.", HelpName = "number" };
        var urls = new Option<string?>("--urls") { Description = "Addresses to listen on, separated by semicolons, instead of --port: http://0.0.0.0:80.", HelpName = "addresses" };
        var config = new Option<string?>("--config") { Description = "Settings as a JSON file.", HelpName = "file" };
        return new Verb(
            "serve", "Start the server; Ctrl-C stops it.",
            new("atoll serve", "On http://127.0.0.1:8080, with the folder atoll-data"),
            new("atoll serve --data /var/lib/atoll --urls http://0.0.0.0:80", "For other machines too"),
            new("atoll serve --Training:Slots=1", "With a setting"))
        {
            IsLocal = true,
            TreatUnmatchedTokensAsErrors = false,
            Details = "The first start prints the platform administrator's key, once. Every setting can be given as a flag --Section:Name=value, as an environment variable ATOLL_Section__Name, or in the settings file; flags win.",
            Options = { data, port, urls, config },
        }.Does((context, cancellationToken) =>
            ServeAsync(context, Settings(context.Get(data), context.Get(port), context.Get(urls), context.Get(config), context.Unmatched), cancellationToken));
    }

    internal static string[] Settings(string? data, int? port, string? urls, string? config, IReadOnlyList<string> others)
    {
        if (others.FirstOrDefault(flag => !flag.StartsWith("--", StringComparison.Ordinal) || !flag.Contains(':') || !flag.Contains('=')) is { } wrong)
            throw new UsageException($"There is no option '{wrong}'. A setting is written --Section:Name=value.");
        if (port is not null && urls is not null) throw new UsageException("Give --port or --urls, not both.");
        if (port is < 0 or > 65535) throw new UsageException($"{port} is not a port. Give a number from 0 to 65535.");
        if (config is not null && !File.Exists(config)) throw new UsageException($"There is no settings file '{config}'.");
        var settings = new List<string>(others);
        if (data is not null) settings.Add($"--Atoll:Data={data}");
        if (port is not null) settings.Add($"--Atoll:Urls=http://127.0.0.1:{port}");
        if (urls is not null) settings.Add($"--Atoll:Urls={urls}");
        if (config is not null) settings.Add($"--config={config}");
        return [.. settings];
    }

    private static async Task<int> ServeAsync(CommandContext context, string[] settings, CancellationToken cancellationToken)
    {
        var clock = context.Terminal.Clock;
        var started = clock.GetTimestamp();
        AtollServer server;
        try
        {
            server = await StartAsync(settings, cancellationToken: cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Asked to stop, it stopped: that nobody was served yet is no failure.
            context.Terminal.Error.WriteLine("Stopped before it was ready.");
            return ExitCodes.Done;
        }
        await using var running = server;
        var console = context.Terminal.OutConsole;
        console.MarkupLine($"[bold]Atoll {AtollClient.Version}[/] listens on [bold]{server.Address.EscapeMarkup()}[/], ready in {Words.Duration(clock.GetElapsedTime(started))}.");
        if (server.FirstKey is { } key)
        {
            console.WriteLine();
            console.WriteLine("The platform administrator's key, shown only now:");
            console.Hint($"  {key}");
            console.WriteLine("Use it with:");
            console.Hint($"  atoll login --server {server.Address} --key {key}");
            console.WriteLine();
        }
        console.MarkupLine("[dim]Ctrl-C stops it.[/]");

        // A stop finishes running requests before the process ends; the host hears Ctrl-C too, once it runs.
        await server.WaitForShutdownAsync(cancellationToken);
        return ExitCodes.Done;
    }

    /// <summary>Starts a server; what an operator can mend becomes a refusal with a remedy.</summary>
    internal static async Task<AtollServer> StartAsync(string[] settings, Action<WebApplicationBuilder>? configure = null, CancellationToken cancellationToken = default)
    {
        try
        {
            return await AtollServer.StartAsync(settings, configure, cancellationToken);
        }
        catch (DataFolderException problem)
        {
            throw new RefusedException(problem.Message);
        }
        catch (SettingsException problem)
        {
            throw new UsageException(problem.Message);
        }
        catch (InvalidDataException problem)
        {
            throw new RefusedException("The settings file cannot be read: " + (Innermost(problem) is System.Text.Json.JsonException json ? Platform.Http.JsonWords.Of(json) : Innermost(problem).Message));
        }
        catch (IOException problem) when (problem.InnerException is AddressInUseException)
        {
            throw new RefusedException(problem.Message, "Stop what listens there, or choose another port: --port <number>, 0 for a free one.");
        }
    }

    private static Exception Innermost(Exception exception) => exception.InnerException is { } inner ? Innermost(inner) : exception;
}
