using System.Net;
using System.Net.Http.Json;
using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Tenancy;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Atoll.Tests.Platform.Http;

public sealed class RepeatedRequestsTests(TestServer server) : IClassFixture<TestServer>, IAsyncDisposable
{
    private readonly List<AsyncServiceScope> _scopes = [];

    public async ValueTask DisposeAsync()
    {
        foreach (var scope in _scopes) await scope.DisposeAsync();
    }

    [Fact]
    public async Task A_repeated_request_gets_the_first_ones_answer_and_is_not_done_again()
    {
        var (_, client) = await server.CreateTenantAsync();
        using var first = await SendAsync(client, "key-1", "ada");
        using var second = await SendAsync(client, "key-1", "ada");
        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.Created), (first.StatusCode, second.StatusCode));
        Assert.Equal(await first.Content.ReadAsStringAsync(), await second.Content.ReadAsStringAsync());
        Assert.Equal(first.Headers.Location, second.Headers.Location);
        Assert.Equal(first.Content.Headers.ContentType, second.Content.Headers.ContentType);
        Assert.Equal(["true"], second.Headers.GetValues("Idempotency-Replayed"));
        using var without = await SendAsync(client, null, "ada");
        Assert.Equal(HttpStatusCode.Conflict, without.StatusCode);
    }

    [Fact]
    public async Task The_same_key_for_another_request_is_refused()
    {
        var (_, client) = await server.CreateTenantAsync();
        using var first = await SendAsync(client, "key-1", "ada");
        using var other = await SendAsync(client, "key-1", "bob");
        Assert.Equal(HttpStatusCode.UnprocessableEntity, other.StatusCode);
        Assert.Contains(ProblemCodes.IdempotencyMismatch, await other.Content.ReadAsStringAsync());
        using var bob = await client.GetAsync("/api/v1/principals/bob");
        Assert.Equal(HttpStatusCode.NotFound, bob.StatusCode);
    }

    [Fact]
    public async Task A_refused_request_may_be_mended_and_sent_with_the_same_key()
    {
        var (_, client) = await server.CreateTenantAsync();
        using var refused = await SendAsync(client, "key-1", "Not A Name");
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        using var mended = await SendAsync(client, "key-1", "a-name");
        Assert.Equal(HttpStatusCode.Created, mended.StatusCode);
    }

    [Fact]
    public async Task Keys_of_different_tenants_do_not_meet()
    {
        var (_, one) = await server.CreateTenantAsync();
        var (_, other) = await server.CreateTenantAsync();
        using var first = await SendAsync(one, "same", "ada");
        using var second = await SendAsync(other, "same", "ada");
        Assert.Equal(HttpStatusCode.Created, second.StatusCode);
        Assert.NotEqual(await first.Content.ReadAsStringAsync(), await second.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Of_requests_at_the_same_time_one_is_done()
    {
        var (_, client) = await server.CreateTenantAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => SendAsync(client, "key-1", "ada")));
        Assert.All(answers, answer => Assert.Contains(answer.StatusCode, (HttpStatusCode[])[HttpStatusCode.Created, HttpStatusCode.Conflict]));
        var done = answers.Where(answer => answer.StatusCode == HttpStatusCode.Created).ToList();
        Assert.NotEmpty(done);
        Assert.Single(done, answer => !answer.Headers.Contains("Idempotency-Replayed"));
        foreach (var refused in answers.Except(done)) Assert.Contains(ProblemCodes.RequestInProgress, await refused.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_route_whose_answer_holds_a_secret_refuses_the_key_and_nothing_is_stored()
    {
        var (_, client) = await server.CreateTenantAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/principals/admin/keys") { Content = JsonContent.Create(new CreateApiKeyRequest(), AtollJson.Default.CreateApiKeyRequest) };
        request.Headers.Add(RepeatableRoutes.Header, "key-1");
        using var answer = await client.SendAsync(request);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(ProblemCodes.IdempotencyUnsupported, await answer.Content.ReadAsStringAsync());
        var keys = await client.GetFromJsonAsync("/api/v1/principals/admin/keys", AtollJson.Default.PageApiKeyResponse);
        Assert.Single(keys!.Items);
    }

    [Theory]
    [InlineData("tab\tinside", 1)]
    [InlineData("far too long ", 30)]
    public async Task A_key_of_other_characters_or_too_many_is_refused(string text, int times)
    {
        var key = string.Concat(Enumerable.Repeat(text, times));
        var (_, client) = await server.CreateTenantAsync();
        using var request = Request("ada");
        Assert.True(request.Headers.TryAddWithoutValidation(RepeatableRoutes.Header, key));
        using var answer = await client.SendAsync(request);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Fact]
    public async Task What_a_dead_process_left_unfinished_may_be_repeated_after_the_next_start()
    {
        var (tenant, client) = await server.CreateTenantAsync();
        var me = await client.GetFromJsonAsync("/api/v1/me", AtollJson.Default.CallerResponse);
        await using (var scope = server.Server.Services.CreateAsyncScope())
        {
            scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenant.Tenant.Id);
            var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
            db.RepeatableRequests().Add(new RepeatableRequest { PrincipalId = me!.PrincipalId, Key = "key-1", ExpiresUtc = DateTime.MaxValue });
            await db.SaveChangesAsync();
        }
        using (var waiting = await SendAsync(client, "key-1", "ada")) Assert.Equal(HttpStatusCode.Conflict, waiting.StatusCode);
        await RepeatedRequests.RecoverAsync(server.Server.Services, default);
        using var done = await SendAsync(client, "key-1", "ada");
        Assert.Equal(HttpStatusCode.Created, done.StatusCode);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_client_that_goes_away_after_the_write_gets_its_answer_when_it_repeats(bool withinBody)
    {
        var (tenant, client) = await server.CreateTenantAsync();
        var me = (await client.GetFromJsonAsync("/api/v1/me", AtollJson.Default.CallerResponse))!;
        var caller = new Caller(tenant.Tenant.Id, tenant.Tenant.Name, me.PrincipalId, me.Principal, [.. me.Permissions]);
        using var gone = new CancellationTokenSource();
        var writes = 0;
        var repeated = new RepeatedRequests(
            async context =>
            {
                writes++;
                await gone.CancelAsync();

                // A handler that waits for what it has begun.
                context.RequestAborted.ThrowIfCancellationRequested();
                context.Response.StatusCode = StatusCodes.Status201Created;
                await context.Response.WriteAsync("made", TestContext.Current.CancellationToken);
            },
            server.Server.Services.GetRequiredService<IServiceScopeFactory>(), TimeProvider.System, NullLogger<RepeatedRequests>.Instance);

        var first = Context(gone.Token);
        if (withinBody) first.Request.Body = new CutOffBody();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => repeated.InvokeAsync(first));
        var second = Context(CancellationToken.None);
        await repeated.InvokeAsync(second);

        Assert.Equal((1, StatusCodes.Status201Created), (writes, second.Response.StatusCode));
        Assert.Equal("true", second.Response.Headers["Idempotency-Replayed"].ToString());
        Assert.Equal("made", System.Text.Encoding.UTF8.GetString(((MemoryStream)second.Response.Body).ToArray()));

        DefaultHttpContext Context(CancellationToken aborted) => NewContext(caller, aborted);
    }

    [Fact]
    public async Task An_answer_too_large_to_keep_does_not_let_the_write_be_done_twice()
    {
        var (tenant, client) = await server.CreateTenantAsync();
        var me = (await client.GetFromJsonAsync("/api/v1/me", AtollJson.Default.CallerResponse))!;
        var caller = new Caller(tenant.Tenant.Id, tenant.Tenant.Name, me.PrincipalId, me.Principal, [.. me.Permissions]);
        var writes = 0;
        var repeated = new RepeatedRequests(
            async context =>
            {
                writes++;
                context.Response.StatusCode = StatusCodes.Status201Created;
                context.Response.Headers.Location = "/things/1";
                await context.Response.WriteAsync(new string('x', (1 << 20) + 1), TestContext.Current.CancellationToken);
            },
            server.Server.Services.GetRequiredService<IServiceScopeFactory>(), TimeProvider.System, NullLogger<RepeatedRequests>.Instance);
        var first = NewContext(caller, CancellationToken.None);
        await repeated.InvokeAsync(first);
        Assert.Equal((1 << 20) + 1, first.Response.Body.Length);
        var second = NewContext(caller, CancellationToken.None);
        await repeated.InvokeAsync(second);
        Assert.Equal((1, StatusCodes.Status201Created, "/things/1"), (writes, second.Response.StatusCode, second.Response.Headers.Location.ToString()));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_fails_after_it_has_written_is_not_done_again_and_what_fails_before_is(bool hasWritten)
    {
        var (tenant, client) = await server.CreateTenantAsync();
        var me = (await client.GetFromJsonAsync("/api/v1/me", AtollJson.Default.CallerResponse))!;
        var caller = new Caller(tenant.Tenant.Id, tenant.Tenant.Name, me.PrincipalId, me.Principal, [.. me.Permissions]);
        var runs = 0;
        var repeated = new RepeatedRequests(
            async context =>
            {
                runs++;
                var db = context.RequestServices.GetRequiredService<PlatformDb>();
                db.Principals().Add(new Principal { Id = $"prn_{tenant.Tenant.Id}_{runs}", Name = $"made-{runs}", CreatedUtc = DateTime.UnixEpoch });
                if (hasWritten || runs == 2) await db.SaveChangesAsync();
                context.Response.StatusCode = StatusCodes.Status201Created;
                context.Response.Headers.Location = "/things/1";
                await context.Response.WriteAsync("half of an ans", TestContext.Current.CancellationToken);
                if (runs == 1) throw new IOException("The disk is gone.");
            },
            server.Server.Services.GetRequiredService<IServiceScopeFactory>(), TimeProvider.System, NullLogger<RepeatedRequests>.Instance);
        var first = NewContext(caller, CancellationToken.None);
        if (!hasWritten)
        {
            await Assert.ThrowsAsync<IOException>(() => repeated.InvokeAsync(first));
            var done = NewContext(caller, CancellationToken.None);
            await repeated.InvokeAsync(done);
            Assert.Equal((2, StatusCodes.Status201Created), (runs, done.Response.StatusCode));
            return;
        }
        await repeated.InvokeAsync(first);
        var second = NewContext(caller, CancellationToken.None);
        await repeated.InvokeAsync(second);
        Assert.Equal((1, StatusCodes.Status500InternalServerError, StatusCodes.Status500InternalServerError), (runs, first.Response.StatusCode, second.Response.StatusCode));
        Assert.Equal("true", second.Response.Headers["Idempotency-Replayed"].ToString());
        Assert.Empty(second.Response.Headers.Location.ToString());
        Assert.StartsWith("{", TextOf(first), StringComparison.Ordinal);
        Assert.Contains("Look at what is there before you send the request", TextOf(first), StringComparison.Ordinal);
        Assert.Equal(TextOf(first), TextOf(second));

        static string TextOf(HttpContext context) => System.Text.Encoding.UTF8.GetString(((MemoryStream)context.Response.Body).ToArray());
    }

    [Fact]
    public async Task A_key_whose_answer_was_lost_is_free_again_when_answers_are_forgotten()
    {
        var (tenant, client) = await server.CreateTenantAsync();
        var me = (await client.GetFromJsonAsync("/api/v1/me", AtollJson.Default.CallerResponse))!;
        var caller = new Caller(tenant.Tenant.Id, tenant.Tenant.Name, me.PrincipalId, me.Principal, [.. me.Permissions]);
        var scopes = new BreakableScopes(server.Server.Services.GetRequiredService<IServiceScopeFactory>());
        var clock = new VirtualClock();
        var writes = 0;
        var repeated = new RepeatedRequests(
            context =>
            {
                // The database goes away between the write and the keeping of its answer.
                scopes.IsBroken = ++writes == 1;
                context.Response.StatusCode = StatusCodes.Status201Created;
                return Task.CompletedTask;
            },
            scopes, clock, NullLogger<RepeatedRequests>.Instance);
        await Assert.ThrowsAsync<IOException>(() => repeated.InvokeAsync(NewContext(caller, CancellationToken.None)));
        scopes.IsBroken = false;

        Assert.Equal((StatusCodes.Status409Conflict, 1), (await RepeatAsync(), writes));
        clock.Advance(TimeSpan.FromHours(23));
        Assert.Equal((StatusCodes.Status409Conflict, 1), (await RepeatAsync(), writes));
        clock.Advance(TimeSpan.FromHours(2));
        Assert.Equal((StatusCodes.Status201Created, 2), (await RepeatAsync(), writes));

        async Task<int> RepeatAsync()
        {
            var context = NewContext(caller, CancellationToken.None);
            await repeated.InvokeAsync(context);
            return context.Response.StatusCode;
        }
    }

    private sealed class BreakableScopes(IServiceScopeFactory scopes) : IServiceScopeFactory
    {
        public bool IsBroken { get; set; }

        public IServiceScope CreateScope() => IsBroken ? throw new IOException("The disk is gone.") : scopes.CreateScope();
    }

    private DefaultHttpContext NewContext(Caller caller, CancellationToken aborted)
    {
        var scope = server.Server.Services.CreateAsyncScope();
        _scopes.Add(scope);
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(caller.TenantId);
        var context = new DefaultHttpContext { RequestAborted = aborted, RequestServices = scope.ServiceProvider };
        context.Request.Method = "POST";
        context.Request.Path = "/things";
        context.Request.Headers[RepeatableRoutes.Header] = "key-1";
        context.Response.Body = new MemoryStream();
        context.Features.Set(caller);
        context.SetEndpoint(new Endpoint(null, new EndpointMetadataCollection(new RepeatableRoute()), "things"));
        return context;
    }

    /// <summary>A body whose client is gone.</summary>
    private sealed class CutOffBody : MemoryStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            throw new IOException("The client reset the request stream.");
    }

    private static Task<HttpResponseMessage> SendAsync(HttpClient client, string? key, string name)
    {
        var request = Request(name);
        if (key is not null) request.Headers.Add(RepeatableRoutes.Header, key);
        return client.SendAsync(request);
    }

    private static HttpRequestMessage Request(string name) => new(HttpMethod.Post, "/api/v1/principals")
    {
        Content = JsonContent.Create(new CreatePrincipalRequest { Name = name }, AtollJson.Default.CreatePrincipalRequest),
    };
}
