using System.Net;
using System.Net.Http.Headers;
using Atoll.Contracts;
using Microsoft.Data.Sqlite;

namespace Atoll.Tests.Platform;

/// <summary>The steps of docs/guides/operate.md for a copy of a running server.</summary>
public sealed class BackupTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_copy_of_a_running_server_is_a_server_with_all_that_it_had()
    {
        var (data, copy) = (Path.Combine(_folder.Path, "data"), Path.Combine(_folder.Path, "copy"));
        string key;
        await using (var server = await AtollServer.StartAsync([$"--Atoll:Data={data}", "--Atoll:Urls=http://127.0.0.1:0"]))
        {
            key = server.FirstKey!;
            using var client = ClientFor(server, key);
            await UploadAsync(client, "before");
            CopyFiles(data, copy);

            // Between the passes: its rows may be in the copied database, so its blobs must be in the second pass.
            await UploadAsync(client, "between");
            CopyDatabase(data, copy);
            await UploadAsync(client, "after");
            CopyFiles(data, copy);
        }

        await using var restored = await AtollServer.StartAsync([$"--Atoll:Data={copy}", "--Atoll:Urls=http://127.0.0.1:0"]);
        Assert.Null(restored.FirstKey);
        using var reader = ClientFor(restored, key);
        foreach (var name in (string[])["before", "between"])
        {
            var content = await reader.GetStringAsync($"/api/v1/datasets/{name}/versions/1/samples/1/content");
            Assert.Contains(name, content);
        }
        using var unknown = await reader.GetAsync("/api/v1/datasets/after");
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
    }

    // As 'cp -a -n' does: what is there stays.
    private static void CopyFiles(string from, string to)
    {
        foreach (var file in ((string[])["blobs", "keys"]).SelectMany(folder => Directory.EnumerateFiles(Path.Combine(from, folder), "*", SearchOption.AllDirectories)).Append(Path.Combine(from, "VERSION")))
        {
            var target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            if (!File.Exists(target)) File.Copy(file, target);
        }
    }

    // As the backup command of the program sqlite3 does.
    private static void CopyDatabase(string from, string to)
    {
        using var source = new SqliteConnection($"Data Source={Path.Combine(from, "atoll.db")};Pooling=False");
        using var target = new SqliteConnection($"Data Source={Path.Combine(to, "atoll.db")};Pooling=False");
        source.Open();
        target.Open();
        source.BackupDatabase(target);
    }

    private static async Task UploadAsync(HttpClient client, string name)
    {
        using var form = new MultipartFormDataContent
        {
            { new StringContent(name), "name" },
            { new StringContent(DatasetTypes.Tabular), "type" },
            { new StringContent("b"), "label" },
            { new StringContent("a,b\n" + string.Concat(Enumerable.Range(0, 20).Select(i => $"{name}-{i},{(i % 2 == 0 ? "yes" : "no")}\n"))), "file", "rows.csv" },
        };
        using var answer = await client.PostAsync("/api/v1/datasets?wait=true", form);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    private static HttpClient ClientFor(AtollServer server, string key)
    {
        var client = new HttpClient { BaseAddress = new Uri(server.Address) };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return client;
    }
}
