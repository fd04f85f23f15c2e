using Atoll.Platform.Database;
using Atoll.Platform.Security;
using Atoll.Tenancy;
using Atoll.Tests.Platform;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tests.Tenancy;

public sealed class CallerDirectoryTests : IAsyncLifetime
{
    private readonly VirtualClock _clock = new();
    private TestDatabase _database = null!;
    private CallerDirectory _callers = null!;
    private string _secret = null!;
    private ApiKey _key = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(_clock);
        _callers = new CallerDirectory(_database.Scopes, _clock);
        await _database.AddTenantAsync("ten_a");
        (_secret, _key) = ApiKeys.Create("prn_ada", null, _clock.GetUtcNow().UtcDateTime.AddHours(1), _clock);
        await _database.WithAsync("ten_a", async db =>
        {
            db.Principals().Add(new Principal { Id = "prn_ada", Name = "ada", CreatedUtc = DateTime.UnixEpoch });
            db.Grants().Add(new Grant { PrincipalId = "prn_ada", Permission = "predict" });
            db.ApiKeys().Add(_key);
            await db.SaveChangesAsync();
        });
    }

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    [Fact]
    public async Task A_known_key_is_answered_without_the_database_until_it_expires()
    {
        Assert.Null(_callers.FindRemembered(_secret));
        var caller = await _callers.FindByKeyAsync(_secret, default);
        Assert.Equal(("ten_a", "ada"), (caller!.TenantId, caller.PrincipalName));
        Assert.Same(caller, _callers.FindRemembered(_secret));
        _clock.Advance(TimeSpan.FromHours(1));
        Assert.Null(_callers.FindRemembered(_secret));
        Assert.Null(await _callers.FindByKeyAsync(_secret, default));
    }

    [Fact]
    public async Task A_token_lives_no_longer_than_the_key_that_bought_it()
    {
        var token = new VerifiedToken("prn_ada", new TokenSource(TokenSource.ApiKey, _key.Id), _clock.GetUtcNow().UtcDateTime.AddDays(1));
        Assert.NotNull(await _callers.FindByTokenAsync("token", token, default));
        Assert.NotNull(_callers.FindRemembered("token"));
        _clock.Advance(TimeSpan.FromHours(1));
        Assert.Null(_callers.FindRemembered("token"));
        Assert.Null(await _callers.FindByTokenAsync("token", token, default));
    }

    [Theory]
    [InlineData(TokenSource.ApiKey, "key_unknown")]
    [InlineData(TokenSource.PublicKey, "0123456789abcdef")]
    [InlineData(TokenSource.RefreshToken, "rft_unknown")]
    [InlineData("other", "x")]
    public async Task A_token_whose_source_is_gone_is_nobodys(string kind, string id)
    {
        var token = new VerifiedToken("prn_ada", new TokenSource(kind, id), _clock.GetUtcNow().UtcDateTime.AddDays(1));
        Assert.Null(await _callers.FindByTokenAsync("token", token, default));
    }

    [Fact]
    public async Task A_token_cannot_borrow_another_principals_key()
    {
        await _database.WithAsync("ten_a", async db =>
        {
            db.Principals().Add(new Principal { Id = "prn_bob", Name = "bob", CreatedUtc = DateTime.UnixEpoch });
            await db.SaveChangesAsync();
        });
        var token = new VerifiedToken("prn_bob", new TokenSource(TokenSource.ApiKey, _key.Id), _clock.GetUtcNow().UtcDateTime.AddDays(1));
        Assert.Null(await _callers.FindByTokenAsync("token", token, default));
    }

    [Fact]
    public async Task What_was_read_before_a_revocation_is_never_remembered_after_it()
    {
        const int Seed = 99;
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        for (var round = 0; round < 20; round++)
        {
            var (secret, key) = ApiKeys.Create("prn_ada", null, null, _clock);
            await _database.WithAsync("ten_a", async db =>
            {
                db.ApiKeys().Add(key);
                await db.SaveChangesAsync();
            });
            var token = new VerifiedToken("prn_ada", new TokenSource(TokenSource.ApiKey, key.Id), _clock.GetUtcNow().UtcDateTime.AddDays(1));
            var pauses = random.Next(0, 4);
            var lookups = Enumerable.Range(0, 6).Select(i => Task.Run(async () => i % 2 == 0
                ? await _callers.FindByKeyAsync(secret, default)
                : await _callers.FindByTokenAsync(secret + "token", token, default)));
            var revocation = Task.Run(async () =>
            {
                for (var i = 0; i < pauses; i++) await Task.Yield();
                await _database.WithAsync("ten_a", db => db.ApiKeys().Where(row => row.Id == key.Id).ExecuteDeleteAsync());
                _callers.Forget();
            });
            await Task.WhenAll([.. lookups, revocation]);
            Assert.Null(_callers.FindRemembered(secret));
            Assert.Null(_callers.FindRemembered(secret + "token"));
        }
    }
}
