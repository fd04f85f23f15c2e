using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Atoll.Contracts;
using Atoll.Tests.Tenancy;
using Microsoft.Data.Sqlite;

namespace Atoll.Tests.Platform;

/// <summary>What a server that is killed, or asked to stop, leaves behind.</summary>
[Collection(AloneCollection.Name)]
public sealed class CrashTests : IDisposable
{
    private static readonly string[] Given = [Permissions.DatasetsRead, Permissions.ModelsRead, Permissions.Predict];

    private const int Rows = 40;

    private readonly TestFolder _folder = new();

    private string Data => Path.Combine(_folder.Path, "data");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_kill_at_any_moment_loses_no_acknowledged_write_and_leaves_nothing_half()
    {
        var seed = (int)(Stopwatch.GetTimestamp() & 0xFFFF);
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var principals = new ConcurrentDictionary<string, string>();
        var keys = new ConcurrentBag<CreatedApiKeyResponse>();
        var tenants = new ConcurrentBag<CreatedTenantResponse>();
        var imports = new ConcurrentBag<ImportResponse>();
        string? administrator = null;
        for (var round = 0; round < 4; round++)
        {
            await using var server = await ChildServer.StartAsync(Data);
            administrator ??= server.FirstKey;
            using var client = server.ClientFor(administrator!);
            await CheckAsync(server, client, principals, keys, tenants);
            if (round == 3)
            {
                foreach (var import in imports) await CheckImportAsync(client, import);
                break;
            }

            var writers = Enumerable.Range(0, 3).Select(writer => WriteAsync(client, $"r{round}w{writer}", principals, keys, tenants)).ToList();

            // Not in the first round: an import that dies three times is given up, as it should be.
            if (round > 0) writers.Add(UploadAsync(client, $"r{round}", imports));

            // Once something of every kind was acknowledged, however busy the machine is; otherwise whenever it comes.
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            while (round == 1 && (principals.IsEmpty || keys.IsEmpty || tenants.IsEmpty || imports.IsEmpty)) await Task.Delay(5, patience.Token);
            await Task.Delay(random.Next(50, 1500));
            await server.KillAsync();
            await Task.WhenAll(writers);
        }
        Assert.NotEmpty(principals);
        Assert.NotEmpty(keys);
        Assert.NotEmpty(tenants);
        Assert.NotEmpty(imports);
        TestContext.Current.TestOutputHelper.WriteLine(
            $"{tenants.Count} tenants, {principals.Count} principals, {keys.Count} keys and {imports.Count} uploads were acknowledged and found.");
        CheckFile();
    }

    [Fact]
    public async Task Ctrl_C_lets_running_requests_finish_and_ends_the_process_well()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Signals are sent as on Unix.");
        await using var server = await ChildServer.StartAsync(Data);
        var address = new Uri(server.Address);
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(address.Host, address.Port);
        var stream = tcp.GetStream();
        const string Body = """{ "name": "in-flight" }""";
        var head = $"POST /api/v1/principals HTTP/1.1\r\nHost: {address.Authority}\r\nAuthorization: Bearer {server.FirstKey}\r\nContent-Type: application/json\r\nContent-Length: {Body.Length}\r\nExpect: 100-continue\r\n\r\n";
        await stream.WriteAsync(Encoding.ASCII.GetBytes(head));

        // The server says 'continue' once the handler reads: from here on the request runs.
        var buffer = new byte[4096];
        var read = await stream.ReadAsync(buffer);
        Assert.StartsWith("HTTP/1.1 100", Encoding.ASCII.GetString(buffer, 0, read));
        var asked = Stopwatch.GetTimestamp();
        server.SendInterrupt();
        using var probe = server.ClientFor(server.FirstKey!);
        while (await IsListeningAsync(address)) await Task.Delay(10);
        await stream.WriteAsync(Encoding.ASCII.GetBytes(Body));
        read = await stream.ReadAsync(buffer);
        Assert.StartsWith("HTTP/1.1 201", Encoding.ASCII.GetString(buffer, 0, read));

        Assert.Equal(0, await server.WaitForExitAsync());
        Assert.True(Stopwatch.GetElapsedTime(asked) < TimeSpan.FromSeconds(10), "It took more than 10 s to stop.");
        await using var again = await ChildServer.StartAsync(Data);
        using var client = again.ClientFor(server.FirstKey!);
        Assert.Equal(HttpStatusCode.OK, await client.GetAsync("/api/v1/principals/in-flight").StatusAsync());
    }

    [Theory]
    [InlineData(ChildServer.Interrupt)]
    [InlineData(ChildServer.Terminate)]
    public async Task A_signal_while_it_starts_ends_the_process_well(int signal)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Signals are sent as on Unix.");
        using (var starting = ChildServer.Begin(Data, "--port", "0"))
        {
            // The folder's lock is taken early in the start; the database and the web come after it.
            while (!File.Exists(Path.Combine(Data, "lock")) && !starting.HasExited) await Task.Delay(1);
            ChildServer.Send(starting.Id, signal);
            var said = await starting.StandardOutput.ReadToEndAsync() + await starting.StandardError.ReadToEndAsync();
            await starting.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
            Assert.True(starting.ExitCode == 0, $"It ended with {starting.ExitCode}: {said}");
            Assert.Contains("Stopped before it was ready", said);
        }

        // A key that was made would have been shown; the next start makes it.
        await using var next = await ChildServer.StartAsync(Data);
        Assert.NotNull(next.FirstKey);
    }

    [Fact]
    public async Task A_port_in_use_is_told_in_two_lines()
    {
        await using var server = await ChildServer.StartAsync(Data);
        using var second = ChildServer.Begin(Path.Combine(_folder.Path, "second"), "--Atoll:Urls=" + server.Address);
        var said = (await second.StandardOutput.ReadToEndAsync() + await second.StandardError.ReadToEndAsync()).Trim().Split('\n');
        await second.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(1, second.ExitCode);
        Assert.Equal(2, said.Length);
        Assert.Contains("address already in use", said[0]);
        Assert.Contains("--port", said[1]);
    }

    [Fact]
    public async Task A_second_process_is_refused_with_a_sentence_and_exit_code_1()
    {
        await using var server = await ChildServer.StartAsync(Data);
        var refusal = await Assert.ThrowsAsync<InvalidOperationException>(() => ChildServer.StartAsync(Data));
        Assert.Contains("in use by another Atoll", refusal.Message);
        Assert.DoesNotContain("   at ", refusal.Message.Split('\n', 2)[1]);
    }

    private static async Task<bool> IsListeningAsync(Uri address)
    {
        using var tcp = new TcpClient();
        try
        {
            await tcp.ConnectAsync(address.Host, address.Port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>Writes until the server is gone, and notes what was acknowledged.</summary>
    private static async Task WriteAsync(
        HttpClient client, string prefix, ConcurrentDictionary<string, string> principals, ConcurrentBag<CreatedApiKeyResponse> keys, ConcurrentBag<CreatedTenantResponse> tenants)
    {
        try
        {
            for (var i = 0; ; i++)
            {
                var principal = await client.CreatePrincipalAsync($"{prefix}-{i}", Given);
                principals[principal.Name] = principal.Id;
                keys.Add(await client.CreateKeyAsync(principal.Name));
                if (i % 4 != 0) continue;
                using var answer = await client.PostAsJsonAsync("/api/v1/tenants", new CreateTenantRequest { Name = $"{prefix}-{i}" }, AtollJson.Default.CreateTenantRequest);
                tenants.Add(await answer.ReadAsync<CreatedTenantResponse>(HttpStatusCode.Created));
            }
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            // The server was killed; what was not acknowledged may or may not be there.
        }
    }

    /// <summary>Uploads small tables until the server is gone.</summary>
    private static async Task UploadAsync(HttpClient client, string prefix, ConcurrentBag<ImportResponse> imports)
    {
        var csv = "age,plan,churn\n" + string.Concat(Enumerable.Range(0, Rows).Select(i => $"{i},{(i % 3 == 0 ? "gold" : "basic")},{(i % 2 == 0 ? "yes" : "no")}\n"));
        try
        {
            for (var i = 0; i < 10; i++)
            {
                using var form = new MultipartFormDataContent
                {
                    { new StringContent($"{prefix}-{i}"), "name" },
                    { new StringContent("tabular"), "type" },
                    { new StringContent("churn"), "label" },
                    { new StringContent(csv), "file", "customers.csv" },
                };
                using var answer = await client.PostAsync("/api/v1/datasets", form);
                imports.Add(await answer.ReadAsync<ImportResponse>(HttpStatusCode.Accepted));
            }
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            // The server was killed.
        }
    }

    /// <summary>What was accepted is done by whichever process comes next, and done whole.</summary>
    private static async Task CheckImportAsync(HttpClient client, ImportResponse accepted)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var import = accepted;
        while (import.State is ImportStates.Queued or ImportStates.Running)
        {
            await Task.Delay(50, patience.Token);
            import = (await client.GetFromJsonAsync($"/api/v1/imports/{accepted.Id}", AtollJson.Default.ImportResponse, patience.Token))!;
        }
        Assert.Equal(ImportStates.Succeeded, import.State);
        using var samples = await client.GetAsync($"/api/v1/datasets/{import.Dataset}/versions/1/samples?limit=1000");
        Assert.Equal(HttpStatusCode.OK, samples.StatusCode);
        Assert.Equal(Rows, System.Text.Json.JsonDocument.Parse(await samples.Content.ReadAsStringAsync()).RootElement.GetProperty("items").GetArrayLength());
    }

    private static async Task CheckAsync(
        ChildServer server, HttpClient client, ConcurrentDictionary<string, string> principals, ConcurrentBag<CreatedApiKeyResponse> keys, ConcurrentBag<CreatedTenantResponse> tenants)
    {
        var found = new Dictionary<string, PrincipalResponse>();
        string? after = null;
        do
        {
            var page = await client.GetFromJsonAsync($"/api/v1/principals?limit=1000&after={after}", AtollJson.Default.PagePrincipalResponse);
            foreach (var principal in page!.Items) found[principal.Name] = principal;
            after = page.Next;
        }
        while (after is not null);
        foreach (var (name, id) in principals) Assert.Equal(id, found.GetValueOrDefault(name)?.Id);

        // Also those that were not acknowledged are whole or absent.
        foreach (var principal in found.Values.Where(principal => principal.Name != "admin")) Assert.Equal(Given, principal.Permissions);
        foreach (var key in keys)
        {
            using var holder = server.ClientFor(key.Secret);
            var me = await holder.GetFromJsonAsync("/api/v1/me", AtollJson.Default.CallerResponse);
            Assert.Equal(key.Principal, me!.Principal);
        }
        foreach (var tenant in tenants)
        {
            using var holder = server.ClientFor(tenant.AdministratorKey.Secret);
            var me = await holder.GetFromJsonAsync("/api/v1/me", AtollJson.Default.CallerResponse);
            Assert.Equal((tenant.Tenant.Name, Permissions.OfTenant.Count), (me!.Tenant, me.Permissions.Count));
        }
    }

    private void CheckFile()
    {
        using var connection = new SqliteConnection($"Data Source={Path.Combine(Data, "atoll.db")};Pooling=false");
        connection.Open();
        using var check = connection.CreateCommand();
        check.CommandText = "PRAGMA integrity_check";
        Assert.Equal("ok", check.ExecuteScalar());
        check.CommandText = "SELECT COUNT(*) FROM pragma_foreign_key_check";
        Assert.Equal(0L, check.ExecuteScalar());

        // Every blob is whole: its bytes are those that its name promises.
        foreach (var blob in Directory.EnumerateFiles(Path.Combine(Data, "blobs"), "*", SearchOption.AllDirectories))
            Assert.Equal(Path.GetFileName(blob), Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(blob))));
    }
}
