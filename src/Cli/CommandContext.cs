using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Atoll.Client;
using Spectre.Console;

namespace Atoll.Cli;

/// <summary>What a command works with: its arguments, the terminal, and the server.</summary>
internal sealed class CommandContext(ParseResult parsed, GlobalOptions options, Terminal terminal) : IDisposable
{
    public const string DefaultServer = "http://127.0.0.1:8080";

    private AtollClient? _client;
    private (string Server, string Key)? _connection;

    public Terminal Terminal => terminal;

    /// <summary>The command that runs.</summary>
    public Command Command => parsed.CommandResult.Command;

    public LoginFile LoginFile { get; } = new(terminal.ConfigFolder);

    /// <summary>The answer is for a script.</summary>
    public bool IsJson => parsed.GetValue(options.Output) == GlobalOptions.Json;

    /// <summary>The server, as options, environment and login say.</summary>
    public AtollClient Client => _client ??= Connect(Connection.Server, Connection.Key);

    /// <summary>The server and the key for it, as options, environment and login say.</summary>
    /// <exception cref="RefusedException">There is no key, or none for this server.</exception>
    public (string Server, string Key) Connection => _connection ??= FindConnection();

    public T? Get<T>(Option<T> option) => parsed.GetValue(option);

    public T Get<T>(Argument<T> argument) => parsed.GetValue(argument)!;

    public string? GivenServer => parsed.GetValue(options.Server);

    public string? GivenKey => parsed.GetValue(options.Key);

    /// <summary>What the command's options do not know, for commands that allow it.</summary>
    public IReadOnlyList<string> Unmatched => parsed.UnmatchedTokens;

    /// <summary>Where server and key come from, in words.</summary>
    public string ConnectionSource { get; private set; } = "";

    /// <summary>A client for the server that was chosen.</summary>
    public static AtollClient Connect(string server, string? key) => new(new AtollClientOptions { Server = ParseServer(server), Credential = key });

    /// <summary>Writes the answer: as a person reads it, or exactly the record.</summary>
    public void Write<T>(T answer, JsonTypeInfo<T> type, Action<IAnsiConsole> show)
    {
        if (IsJson) WriteJson(answer, type);
        else show(terminal.OutConsole);
    }

    /// <summary>Writes a record as JSON, on one line for programs and indented for a person's screen.</summary>
    public void WriteJson<T>(T answer, JsonTypeInfo<T> type)
    {
        using var document = JsonSerializer.SerializeToDocument(answer, type);
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = terminal.OutIsTerminal, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
            document.WriteTo(writer);
        terminal.Out.WriteLine(System.Text.Encoding.UTF8.GetString(buffer.ToArray()));
    }

    /// <summary>A sentence for a person; left out where only JSON may appear.</summary>
    public void Say(string sentence)
    {
        if (!IsJson) terminal.OutConsole.Hint(sentence);
    }

    /// <summary>Asks before something that cannot be undone. Without a terminal the answer must be on the command line.</summary>
    public void Confirm(string question, bool yes)
    {
        if (yes) return;
        if (!terminal.InIsTerminal || !terminal.ErrorIsTerminal) throw new UsageException($"{question} Confirm with --yes.");
        terminal.Error.Write($"{question} [y/N] ");
        if (terminal.In.ReadLine()?.Trim() is not ("y" or "Y" or "yes")) throw new RefusedException("Nothing was changed.");
    }

    public void Dispose() => _client?.Dispose();

    private (string Server, string Key) FindConnection()
    {
        // Flags go before environment, environment before the login. A key without its server is the login's mistake to find, not ours.
        var login = LoginFile.Read();
        var (server, serverFrom) = First(GivenServer, "--server", terminal.Environment("ATOLL_SERVER"), "ATOLL_SERVER", login?.Server);
        var (key, keyFrom) = First(GivenKey, "--key", terminal.Environment("ATOLL_KEY"), "ATOLL_KEY", login?.Key);
        server ??= DefaultServer;
        if (key is null)
        {
            throw new RefusedException(
                $"There is no API key for {server}.",
                $"Log in with: atoll login --server {server} --key <key>, or set ATOLL_KEY. The server printed its first key when it was started first; 'atoll recover' makes another.");
        }
        if (keyFrom == FromLogin && serverFrom != FromLogin && login is not null && ParseServer(server) != ParseServer(login.Server))
            throw new RefusedException(
                $"The stored key is for {login.Server}, not for {server}.", "Give the key for this server with --key or ATOLL_KEY, or log in there: atoll login.");
        ConnectionSource = $"server from {serverFrom}, key from {keyFrom}";
        return (server, key);
    }

    private const string FromLogin = "login";

    private static (string? Value, string From) First(string? flag, string flagName, string? variable, string variableName, string? login) =>
        flag is not null ? (flag, flagName) : variable is not null ? (variable, variableName) : login is not null ? (login, FromLogin) : (null, "default");

    public static Uri ParseServer(string server)
    {
        var text = server.Contains("://", StringComparison.Ordinal) ? server : "http://" + server;
        return Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
            ? uri
            : throw new UsageException($"'{server}' is not the address of a server. Write it like {DefaultServer}.");
    }
}
