using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Jobs;
using Atoll.Platform.Limits;
using Atoll.Tests.Tenancy;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Atoll.Tests.Platform.Limits;

/// <summary>What one tenant may take, over the real API; the other tenants never notice.</summary>
public sealed class TenantLimitsTests(TestServer server) : IClassFixture<TestServer>
{
    private const string Table = "a,b\n1,2\n3,4\n5,6\n7,8\n";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_limit_of_a_tenants_own_holds_at_once_and_is_shown_until_it_is_taken_away()
    {
        var (tenant, _) = await server.CreateTenantAsync();
        var (other, _) = await server.CreateTenantAsync();
        Assert.Equal(1000, await LimitAsync(tenant, "datasetsMax"));
        using var put = await PutAsync(tenant, "datasetsMax", 7);
        var changed = (await put.Content.ReadFromJsonAsync(AtollJson.Default.TenantLimitResponse, Token))!;
        Assert.Equal((HttpStatusCode.OK, "datasetsMax", 7, 1000), (put.StatusCode, changed.Name, changed.Value, changed.Default));
        Assert.Equal(7, await LimitAsync(tenant, "datasetsMax"));
        Assert.Equal(1000, await LimitAsync(other, "datasetsMax"));

        Assert.Equal(HttpStatusCode.NoContent, await server.Platform.DeleteAsync($"/api/v1/tenants/{tenant.Tenant.Name}/limits/datasetsMax", Token).StatusAsync());
        Assert.Equal(1000, await LimitAsync(tenant, "datasetsMax"));
    }

    [Theory]
    [InlineData("datasetsMax", -1, "400 invalid-field")]
    [InlineData("datasetsMax", 1.5, "400 invalid-field")]
    [InlineData("datasetsMax", 1e10, "400 invalid-field")]
    [InlineData("diskBytesMax", 1e18, "400 invalid-field")]
    [InlineData("modelCacheShare", 1.1, "400 invalid-field")]
    [InlineData("runningJobsMax", 0, "400 invalid-field")]
    [InlineData("DatasetsMax", 1, "404 not-found")]
    [InlineData("section", 1, "404 not-found")]
    public async Task A_limit_that_makes_no_sense_is_refused(string limit, double value, string expected)
    {
        var (tenant, _) = await server.CreateTenantAsync();
        Assert.Equal(expected, await PutAsync(tenant, limit, value).CodeAsync());
    }

    [Fact]
    public async Task Every_limit_can_be_set_to_what_it_is()
    {
        var (tenant, _) = await server.CreateTenantAsync();
        foreach (var name in TenantLimits.Names)
            Assert.Equal(HttpStatusCode.OK, await PutAsync(tenant, name, new TenantLimits().ValueOf(name)).StatusAsync());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_upload_beyond_the_tenants_bytes_is_refused_and_leaves_none(bool saysItsLength)
    {
        var (tenant, client) = await server.CreateTenantAsync();
        var (_, other) = await server.CreateTenantAsync();
        (await PutAsync(tenant, "diskBytesMax", 10_000)).EnsureSuccessStatusCode();
        var large = "a,b\n" + string.Concat(Enumerable.Range(0, 5000).Select(i => string.Create(CultureInfo.InvariantCulture, $"{i},{i % 2}\n")));

        using var answer = await UploadAsync(client, "large", large, saysItsLength);
        var problem = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!;
        Assert.Equal("413 limit-reached diskBytesMax 10000", $"{(int)answer.StatusCode} {problem["code"]} {problem["limit"]} {problem["value"]}");
        Assert.Contains("atoll tenants limit", (string)problem["remedy"]!);
        Assert.Empty(FilesOf(tenant));
        Assert.Equal(0, server.Server.Services.GetRequiredService<DiskUsage>().BytesOf(tenant.Tenant.Id));
        Assert.Equal(HttpStatusCode.Created, await UploadAsync(other, "large", large, saysItsLength).StatusAsync());
    }

    [Fact]
    public async Task An_import_that_outgrows_the_tenants_bytes_fails_once_with_the_limit()
    {
        var (tenant, client) = await server.CreateTenantAsync();
        var table = "a,b\n" + string.Concat(Enumerable.Range(0, 500).Select(i => string.Create(CultureInfo.InvariantCulture, $"{i},{i % 2}\n")));
        (await PutAsync(tenant, "diskBytesMax", table.Length + 2000)).EnsureSuccessStatusCode();
        using var answer = await UploadAsync(client, "grows", table);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode);
        Assert.Contains("'diskBytesMax'", await answer.Content.ReadAsStringAsync(Token));

        // Only the upload is left; it goes with the next sweep.
        Assert.Single(FilesOf(tenant));
    }

    [Fact]
    public async Task Bytes_that_are_there_already_do_not_count_twice_and_a_restart_counts_the_same()
    {
        var (tenant, client) = await server.CreateTenantAsync();
        Assert.Equal(HttpStatusCode.Created, await UploadAsync(client, "one", Table).StatusAsync());
        Assert.Equal(HttpStatusCode.Created, await UploadAsync(client, "two", Table).StatusAsync());
        var usage = server.Server.Services.GetRequiredService<DiskUsage>();
        var counted = usage.BytesOf(tenant.Tenant.Id);
        Assert.Equal(FilesOf(tenant).Sum(file => new FileInfo(file).Length), counted);
        usage.Forget(tenant.Tenant.Id);
        Assert.Equal(counted, usage.BytesOf(tenant.Tenant.Id));
    }

    [Fact]
    public async Task A_dataset_too_many_is_refused_and_a_version_is_not()
    {
        var (tenant, client) = await server.CreateTenantAsync();
        (await PutAsync(tenant, "datasetsMax", 1)).EnsureSuccessStatusCode();
        Assert.Equal(HttpStatusCode.Created, await UploadAsync(client, "one", Table).StatusAsync());
        Assert.Equal("409 limit-reached", await UploadAsync(client, "two", Table).CodeAsync());
        using var form = Form(null, Table);
        Assert.Equal(HttpStatusCode.Created, await client.PostAsync("/api/v1/datasets/one/versions?wait=true", form, Token).StatusAsync());
    }

    [Fact]
    public async Task An_upload_with_too_many_rows_is_refused_with_the_limit()
    {
        var (tenant, client) = await server.CreateTenantAsync();
        (await PutAsync(tenant, "rowsPerUploadMax", 3)).EnsureSuccessStatusCode();
        using var answer = await UploadAsync(client, "long", Table);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode);
        Assert.Contains("'rowsPerUploadMax'", await answer.Content.ReadAsStringAsync(Token));
    }

    [Fact]
    public async Task A_job_too_many_is_refused_before_its_bytes_are_taken()
    {
        var (tenant, client) = await server.CreateTenantAsync();
        Assert.Equal(HttpStatusCode.Created, await UploadAsync(client, "one", Table).StatusAsync());
        (await PutAsync(tenant, "queuedJobsMax", 0)).EnsureSuccessStatusCode();
        var before = FilesOf(tenant);
        using var upload = await UploadAsync(client, "two", Table + "9,10\n");
        Assert.Equal(TimeSpan.FromSeconds(10), upload.Headers.RetryAfter!.Delta);
        Assert.Equal("429 limit-reached", await Task.FromResult(upload).CodeAsync());
        Assert.Equal(before, FilesOf(tenant));
        using var run = await client.PostAsJsonAsync("/api/v1/runs", new CreateRunRequest { Dataset = "one", Target = "b" }, AtollJson.Default.CreateRunRequest, Token);
        Assert.Equal(TimeSpan.FromSeconds(10), run.Headers.RetryAfter!.Delta);
        Assert.Equal("429 limit-reached", await Task.FromResult(run).CodeAsync());
    }

    [Fact]
    public async Task Many_requests_at_once_do_not_pass_the_limit_of_queued_jobs_together()
    {
        await using var database = await TestDatabase.CreateAsync(TimeProvider.System);
        await database.AddTenantAsync("ten_a");
        await LimitAsync(database, "ten_a", "queuedJobsMax", 5);
        var queue = new JobQueue(database.Limits, TimeProvider.System);
        var refused = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Task.Run(() => database.WithAsync(
            "ten_a", db => queue.SaveWithJobAsync(db, "ten_a", new JobKind("kind", "lane", typeof(object)), $"work {i}", 0, Token)))));
        Assert.Equal(15, refused.Count(problem => problem?.Code == ProblemCodes.LimitReached));
        Assert.Equal(5, await database.WithAsync("ten_a", db => db.Jobs().CountAsync(Token)));
    }

    [Fact]
    public async Task A_tenant_that_runs_as_many_jobs_as_it_may_is_passed_over_in_every_lane()
    {
        await using var database = await TestDatabase.CreateAsync(TimeProvider.System);
        var queue = new JobQueue(database.Limits, TimeProvider.System);
        await database.AddTenantAsync("ten_a");
        await database.AddTenantAsync("ten_b");
        await LimitAsync(database, "ten_a", "runningJobsMax", 1);
        foreach (var tenant in (string[])["ten_a", "ten_b"])
        {
            foreach (var lane in (string[])["one", "two"])
                Assert.Null(await database.WithAsync(tenant, db => queue.SaveWithJobAsync(db, tenant, new JobKind("kind", lane, typeof(object)), $"{tenant} {lane}", 0, Token)));
        }
        var first = await ClaimAsync("one");
        Assert.Equal("ten_a one", first?.Subject);
        Assert.Equal("ten_b two", (await ClaimAsync("two"))?.Subject);
        Assert.Null(await ClaimAsync("two"));
        Assert.Equal("ten_b one", (await ClaimAsync("one"))?.Subject);
        await database.WithAsync(null, db => queue.EndAsync(db, first!.Id, "me", JobState.Succeeded, null, Token));
        Assert.Equal("ten_a two", (await ClaimAsync("two"))?.Subject);

        Task<Job?> ClaimAsync(string lane) => database.WithAsync(null, db => queue.ClaimAsync(db, lane, "me", Token));
    }

    private static Task LimitAsync(TestDatabase database, string tenant, string name, double value) => database.WithAsync(tenant, async db =>
    {
        db.TenantLimitOverrides().Add(new TenantLimitOverride { Name = name, Value = value });
        await db.SaveChangesAsync(Token);
    });

    private Task<HttpResponseMessage> PutAsync(CreatedTenantResponse tenant, string limit, double value) => server.Platform.PutAsJsonAsync(
        $"/api/v1/tenants/{tenant.Tenant.Name}/limits/{limit}", new PutTenantLimitRequest { Value = value }, AtollJson.Default.PutTenantLimitRequest, Token);

    private async Task<double> LimitAsync(CreatedTenantResponse tenant, string name) =>
        (await server.Platform.GetFromJsonAsync($"/api/v1/tenants/{tenant.Tenant.Name}", AtollJson.Default.TenantResponse, Token))!.Limits!.Single(limit => limit.Name == name).Value;

    private string[] FilesOf(CreatedTenantResponse tenant)
    {
        Assert.DoesNotContain(Directory.EnumerateFiles(Path.Combine(server.DataPath, "tmp")), file => new FileInfo(file) is { Exists: true, Length: > 0 });
        var folder = Path.Combine(server.DataPath, "blobs", tenant.Tenant.Id);
        return Directory.Exists(folder) ? [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order()] : [];
    }

    private static async Task<HttpResponseMessage> UploadAsync(HttpClient client, string name, string table, bool saysItsLength = true)
    {
        using var form = Form(name, table);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/datasets?wait=true") { Content = form };
        request.Headers.TransferEncodingChunked = !saysItsLength;
        return await client.SendAsync(request, Token);
    }

    private static MultipartFormDataContent Form(string? name, string table)
    {
        var form = new MultipartFormDataContent { { new StringContent("tabular"), "type" }, { new ByteArrayContent(Encoding.UTF8.GetBytes(table)), "file", "table.csv" } };
        if (name is not null) form.Add(new StringContent(name), "name");
        return form;
    }
}
