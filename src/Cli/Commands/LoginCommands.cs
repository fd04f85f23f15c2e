using System.CommandLine;
using Atoll.Client;
using Atoll.Contracts;

namespace Atoll.Cli.Commands;

/// <summary><c>atoll login</c> and <c>atoll logout</c>: which server, and as whom.</summary>
internal static class LoginCommands
{
    public static IEnumerable<Command> All() => [Login(), Logout()];

    private static Verb Login() => new Verb(
        "login", "Store a server and an API key for the commands that follow.",
        new("atoll login --server http://127.0.0.1:8080 --key atl_...", "Log in at a server"),
        new("atoll login --server https://atoll.example.org < key.txt", "Take the key from a file, so that no shell history has it"))
    {
        Details = "The key is tried first and stored only if it works, in a file that only you can read. Without --key it is asked for, or read from standard input.",
    }.Does(async (context, cancellationToken) =>
    {
        var server = context.GivenServer ?? context.Terminal.Environment("ATOLL_SERVER") ?? context.LoginFile.Read()?.Server ?? CommandContext.DefaultServer;
        var address = CommandContext.ParseServer(server);
        var key = context.GivenKey ?? context.Terminal.Environment("ATOLL_KEY") ?? AskForKey(context.Terminal, address);
        using var client = CommandContext.Connect(server, key);
        CallerResponse caller;
        try
        {
            caller = await client.GetCallerAsync(cancellationToken);
        }
        catch (AtollException refused) when (refused.Code == ProblemCodes.Unauthenticated)
        {
            throw new RefusedException(refused.Detail, "Nothing was stored. Ask an administrator of the tenant for a key: atoll keys create <principal>");
        }
        context.LoginFile.Write(new Login(address.ToString().TrimEnd('/'), key));
        if (context.IsJson) context.WriteJson(caller, AtollJson.Default.CallerResponse);
        else
        {
            context.Say($"Logged in at {address.ToString().TrimEnd('/')} as {caller.Principal} of tenant {caller.Tenant}.");
            context.Say($"Stored in {context.LoginFile.FullPath}.");
        }
        return ExitCodes.Done;
    });

    private static Verb Logout() => new Verb("logout", "Forget the stored server and key.", new Example("atoll logout", "Forget them")) { IsLocal = true }
        .Does((context, _) =>
        {
            context.Say(context.LoginFile.Delete() ? "Logged out. The key itself stays valid; end it with: atoll keys delete <principal> <key>" : "There was no login.");
            return Task.FromResult(ExitCodes.Done);
        });

    private static string AskForKey(Terminal terminal, Uri server)
    {
        if (terminal.InIsTerminal && terminal.ErrorIsTerminal)
            return Spectre.Console.AnsiConsoleExtensions.Prompt(
                terminal.ErrorConsole, new Spectre.Console.TextPrompt<string>($"API key for {server.Authority}:") { IsSecret = true }).Trim();
        return terminal.In.ReadLine()?.Trim() is { Length: > 0 } key
            ? key
            : throw new UsageException("There is no key: give it with --key, in ATOLL_KEY, or on standard input.");
    }
}
