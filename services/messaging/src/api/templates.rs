//! Templates: kept after a check, rendered on demand.

use chassis::{Caller, audit, values};
use kernel::page::Page;
use kernel::{Error, Result};
use serde_json::Map;
use wire::identity::get_customer_request;
use wire::messaging as pb;

use super::{Api, convert};
use crate::domain::channel::check_key;
use crate::domain::template::{self, Compiled};
use crate::jobs::compose;
use crate::people::{People, Person, UNREADABLE};
use crate::store::keyed;
use crate::store::messages::Asked;
use crate::store::templates::Template;

/// As the audit log names them.
const WHAT: &str = "template";

impl Api {
    pub(super) async fn do_create_template(
        &self,
        caller: Caller,
        request: pb::CreateTemplateRequest,
    ) -> Result<pb::CreateTemplateResponse> {
        let template = self.checked(request.template)?;
        let mut unit = self.db.begin().await?;
        keyed::insert(unit.db(), &caller.workspace, &template).await?;
        let template = convert::template(template);
        audit::created(&mut unit, &caller, (WHAT, &template.key), &template)?;
        unit.commit().await?;
        Ok(pb::CreateTemplateResponse { template: Some(template) })
    }

    pub(super) async fn do_get_template(
        &self,
        caller: Caller,
        request: pb::GetTemplateRequest,
    ) -> Result<pb::GetTemplateResponse> {
        let template: Template = keyed::get(self.db.read(), &caller.workspace, &request.key).await?;
        Ok(pb::GetTemplateResponse { template: Some(convert::template(template)) })
    }

    pub(super) async fn do_list_templates(
        &self,
        caller: Caller,
        request: pb::ListTemplatesRequest,
    ) -> Result<pb::ListTemplatesResponse> {
        let page = Page::read(request.page_size, &request.page_token)?;
        let mut found: Vec<Template> = keyed::list(self.db.read(), &caller.workspace, &page).await?;
        let next_page_token = page.cut(&mut found, |template| template.key.clone());
        let templates = found.into_iter().map(convert::template).collect();
        Ok(pb::ListTemplatesResponse { templates, next_page_token })
    }

    pub(super) async fn do_update_template(
        &self,
        caller: Caller,
        request: pb::UpdateTemplateRequest,
    ) -> Result<pb::UpdateTemplateResponse> {
        let mut template = self.checked(request.template)?;
        let mut unit = self.db.begin().await?;
        let before: Template = keyed::get(unit.db(), &caller.workspace, &template.key).await?;
        template.created = before.created;
        keyed::update(unit.db(), &caller.workspace, &template).await?;
        let (before, template) = (convert::template(before), convert::template(template));
        audit::changed(&mut unit, &caller, (WHAT, &template.key), &before, &template)?;
        unit.commit().await?;
        Ok(pb::UpdateTemplateResponse { template: Some(template) })
    }

    pub(super) async fn do_delete_template(
        &self,
        caller: Caller,
        request: pb::DeleteTemplateRequest,
    ) -> Result<pb::DeleteTemplateResponse> {
        let mut unit = self.db.begin().await?;
        let before: Template = keyed::get(unit.db(), &caller.workspace, &request.key).await?;
        keyed::delete::<Template>(unit.db(), &caller.workspace, &request.key).await?;
        audit::deleted(&mut unit, &caller, (WHAT, &request.key), &convert::template(before))?;
        unit.commit().await?;
        Ok(pb::DeleteTemplateResponse {})
    }

    /// Without a customer the profile is empty.
    pub(super) async fn do_render_template(
        &self,
        caller: Caller,
        request: pb::RenderTemplateRequest,
    ) -> Result<pb::RenderTemplateResponse> {
        use pb::render_template_request::Customer as Given;
        let template: Template = keyed::get(self.db.read(), &caller.workspace, &request.key).await?;
        let customer = request.customer.map(|customer| match customer {
            Given::CustomerId(id) => get_customer_request::Customer::CustomerId(id),
            Given::Identifier(identifier) => get_customer_request::Customer::Identifier(identifier),
        });
        let people = People::of(self.rpc.clone(), caller);
        let (person, customer_id) = match customer {
            None => (Person::default(), String::new()),
            Some(customer) => {
                let known = people.customer(customer).await?;
                let mut answers = people.load(&[known.id]).await?;
                if let Some(why) = answers.refused.remove(&known.id) {
                    return Err(Error::precondition(UNREADABLE, why));
                }
                (answers.found.remove(&known.id).unwrap_or_default(), known.id.to_string())
            }
        };
        let event = request.event.unwrap_or_default();
        let asked = Asked {
            variables: request.variables.map(values::from_struct).unwrap_or_default(),
            locale: event.context.map(|context| context.locale).unwrap_or_default(),
            event: event.properties.map_or_else(Map::new, values::from_struct),
            ..Asked::default()
        };
        let locale =
            if request.locale.is_empty() { compose::locale(&asked, &person) } else { &request.locale };
        let failed = |message: String| Error::precondition("RENDER_FAILED", message);
        let compiled = Compiled::new(&template.variants).map_err(failed)?;
        let subject = compose::subject(&asked, &person, &customer_id);
        let (content, locale) = compiled.render(locale, &subject).map_err(failed)?;
        Ok(pb::RenderTemplateResponse { content: Some(convert::content(content)), locale: locale.to_owned() })
    }

    fn checked(&self, given: Option<pb::Template>) -> Result<Template> {
        let given = given.ok_or_else(|| Error::invalid("template", "is required"))?;
        let variants: Vec<_> = given.variants.into_iter().map(convert::variant).collect();
        let mut violations: Vec<_> = check_key(&given.key).err().into_iter().collect();
        violations.extend(template::check(&variants).err().into_iter().flat_map(|error| error.violations));
        if !violations.is_empty() {
            return Err(Error::violations(violations).within("template"));
        }
        let now = self.clock.now();
        Ok(Template { key: given.key, name: given.name, variants, created: now, updated: now })
    }
}
